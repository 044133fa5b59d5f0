"""Tables of items whose rows are made when they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import keras
import tensorflow as tf

from recsys_tf.types import Tensor


class ComputedTable(ABC):
    """Base class of what a retrieval loss takes for a table and that no variable holds.

    A loss that draws rows asks for those alone. A loss over all rows takes it as a tensor.

    A subclass sets `shape`, `rows` and `all_rows`.
    """

    @property
    @abstractmethod
    def shape(self) -> tf.TensorShape:
        """`[N, D]`."""

    @abstractmethod
    def rows(self, ids: Tensor) -> Tensor:
        """Returns rows, float of the shape of `ids` and `[D]`."""

    @abstractmethod
    def all_rows(self) -> Tensor:
        """Returns the table, float `[N, D]`."""

    def frozen_rows(self) -> Tensor:
        """Returns the table as it would serve, float `[N, D]`, without a gradient."""
        return tf.stop_gradient(self.all_rows())


def raw_table(table: Any) -> Any:
    """Returns the TensorFlow variable, from which rows are gathered sparsely, or a tensor."""
    table = table.value if isinstance(table, keras.Variable) else table
    if isinstance(table, (tf.Variable, ComputedTable)):
        return table
    return tf.convert_to_tensor(table)


def take_rows(table: Any, ids: Tensor) -> Tensor:
    """Reads rows of a table.

    Args:
        table: What `raw_table` returns.
        ids: Row numbers, int of any shape.

    Returns:
        Float of the shape of `ids` and `[D]`.
    """
    return table.rows(ids) if isinstance(table, ComputedTable) else tf.gather(table, ids)


def frozen_rows(table: Any) -> Tensor:
    """Reads all rows of a table, to keep them.

    Args:
        table: What `raw_table` returns.

    Returns:
        Float `[N, D]`, without a gradient.
    """
    if isinstance(table, ComputedTable):
        return table.frozen_rows()
    return tf.stop_gradient(tf.convert_to_tensor(table))


def _to_tensor(
    table: ComputedTable, dtype: Any = None, name: str | None = None, as_ref: bool = False
) -> Any:
    rows = table.all_rows()
    return rows if dtype is None or rows.dtype == dtype else NotImplemented


tf.register_tensor_conversion_function(ComputedTable, _to_tensor)
