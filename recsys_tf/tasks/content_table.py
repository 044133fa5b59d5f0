"""A table of items whose rows are made of two parts when they are read."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from recsys_tf.tasks.computed_table import ComputedTable, raw_table
from recsys_tf.types import Tensor


class ContentTable(ComputedTable):
    """The table `t_n = E[n] + C[n] W` of a retrieval loss, with a part that is projected.

    A loss that draws rows gathers the parts and projects what it drew: the gradient of `E` is
    `tf.IndexedSlices`, and no matrix of `N` rows is made. A loss over all rows takes it as a
    tensor, which projects the whole of `C` once.

    Args:
        own: `E`, float `[N, D]`, a variable.
        content: `C`, float `[N', F]`; rows behind the first `N` are of items that the table does
            not hold, see `rows_with_others`.
        kernel: `W`, float `[F, D]`.

    Example:
        >>> own, content = tf.Variable([[1.0], [2.0]]), [[0.0, 0.0], [3.0, 4.0]]
        >>> table = ContentTable(own, content, [[1.0], [2.0]])
        >>> tf.convert_to_tensor(table).numpy().tolist(), table.rows([1]).numpy().tolist()
        ([[1.0], [13.0]], [[13.0]])
    """

    def __init__(self, own: Any, content: Any, kernel: Any) -> None:
        self._own, self._content, self._kernel = map(raw_table, (own, content, kernel))

    @property
    def shape(self) -> tf.TensorShape:
        """`[N, D]`."""
        return self._own.shape

    def rows(self, ids: Tensor) -> Tensor:
        """Returns rows, float of the shape of `ids` and `[D]`."""
        content = tf.tensordot(tf.gather(self._content, ids), self._kernel, 1)
        return tf.gather(self._own, ids) + content

    def all_rows(self) -> Tensor:
        """Returns the table, float `[N, D]`."""
        num_rows = self._own.shape[0]
        # Cut only where there is more, as what is cut is copied.
        has_more = self._content.shape[0] != num_rows
        content = self._content[:num_rows] if has_more else self._content
        return tf.convert_to_tensor(self._own) + tf.matmul(content, self._kernel)

    def rows_with_others(self) -> Tensor:
        """Returns the table and behind it the others' `C[n] W`, float `[N', D]`."""
        num_others = self._content.shape[0] - self._own.shape[0]
        own = tf.pad(self._own, [[0, num_others], [0, 0]])
        return own + tf.matmul(self._content, self._kernel)
