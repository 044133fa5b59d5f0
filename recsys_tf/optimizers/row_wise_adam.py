"""Adam over the rows of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from recsys_tf.optimizers.fused_adam import FusedAdam
from recsys_tf.optimizers.row_wise import RowWiseStep, raw, write_rows
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class RowWiseAdam(RowWiseStep, FusedAdam):
    """Computes Adam's `w -= r m' / (sqrt(v') + e)` for the rows that a batch read.

    Where every row is read in every step, the numbers are those of `keras.optimizers.Adam`. A row
    that a batch does not read is left as it is: the dense Adam lets its moments `m` and `v` decay
    and moves it on along `m`; here it does not move, and its moments wait for the next batch that
    reads it ("lazy" Adam). The correction of the moments' start goes by the steps of the whole run,
    so that a row met late for the first time is stepped with a smaller `m'` and `v'` than a fresh
    Adam would have.

    Choose it for tables of many rows; below some ten thousand the dense step of `FusedAdam` costs
    as much, and is exact.

    The arguments and the saved state are those of `keras.optimizers.Adam`. Weight decay is taken
    off a table's rows when they are stepped.

    Raises:
        ValueError: If `amsgrad`, `use_ema` or `gradient_accumulation_steps` is given: they walk the
            whole table.

    Example:
        >>> table = keras.Variable([[1.0], [1.0]])
        >>> slices = tf.IndexedSlices(tf.constant([[3.0]]), tf.constant([1]), [2, 1])
        >>> RowWiseAdam(0.1).apply([slices], [table])
        >>> [round(float(each[0]), 4) for each in table.numpy()]
        [1.0, 0.9]

    Source: Kingma and Ba, 2015, "Adam: A Method for Stochastic Optimization",
        https://arxiv.org/abs/1412.6980, the form before section 2.1; "lazy" as in
        https://www.tensorflow.org/addons/api_docs/python/tfa/optimizers/LazyAdam.
    """

    def build(self: Any, variables: Any) -> None:
        """Makes the moments."""
        if self.built:
            return
        super().build(variables)
        self._workplaces = _Workplaces(variables)

    def step_rows(
        self: Any, rows: Tensor, gradient: Tensor, variable: Any, learning_rate: Tensor
    ) -> None:
        """Steps some rows of a table; see `RowWiseStep`."""
        self.decayed(rows, variable, learning_rate)
        index = self._get_variable_index(variable)
        # Gathered side by side, stepped by the one kernel of `FusedAdam`, and scattered back: no
        # dozen of small operations, each with a copy of the rows.
        whole = [raw(each) for each in (variable, self._momentums[index], self._velocities[index])]
        parts = [each.handle for each in self._workplaces.of(index)]
        for each, part in zip(whole, parts, strict=True):
            tf.raw_ops.AssignVariableOp(resource=part, value=each.sparse_read(rows))
        tf.raw_ops.ResourceApplyAdam(
            **dict(zip(("var", "m", "v"), parts, strict=True)),
            grad=gradient,
            **self._scalars(gradient.dtype, learning_rate),
        )
        for each, part in zip(whole, parts, strict=True):
            write_rows(each, rows, tf.raw_ops.ReadVariableOp(resource=part, dtype=gradient.dtype))


class _Workplaces:
    """For each variable three others, in which the batch's rows are stepped; they hold no state."""

    def __init__(self, variables: Sequence[Any]) -> None:
        # Out of the graph, where the first step is being traced.
        with tf.init_scope():
            self._places = [[_rows_like(each) for _ in range(3)] for each in variables]

    def of(self, index: int) -> list[tf.Variable]:
        """Returns those of the variable with this number."""
        return self._places[index]


def _rows_like(variable: Any) -> tf.Variable:
    shape, dtype = tuple(variable.shape)[1:], raw(variable).dtype
    if not variable.shape:
        return tf.Variable(0, dtype=dtype, trainable=False)
    return tf.Variable(
        tf.zeros([0, *shape], dtype), shape=tf.TensorShape([None, *shape]), trainable=False
    )
