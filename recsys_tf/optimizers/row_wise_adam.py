"""Adam over the rows of a batch."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from recsys_tf.optimizers.fused_adam import FusedAdam
from recsys_tf.optimizers.row_wise import RowWiseStep, gathered, raw, write_rows
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

    def step_rows(
        self: Any, rows: Tensor, gradient: Tensor, variable: Any, learning_rate: Tensor
    ) -> None:
        """Steps some rows of a table; see `RowWiseStep`."""
        self.decayed(rows, variable, learning_rate)
        index = self._get_variable_index(variable)
        first, second = raw(self._momentums[index]), raw(self._velocities[index])
        shared = self._scalars(gradient.dtype, learning_rate)
        rate = learning_rate * tf.sqrt(1 - shared["beta2_power"]) / (1 - shared["beta1_power"])
        # Without a mean's past there is no factor for the kernel.
        if not (_has_kernels(variable) and self.beta_1 and self.beta_2):
            m, v = gathered(first, rows), gathered(second, rows)
            m += (gradient - m) * (1 - self.beta_1)
            v += (tf.square(gradient) - v) * (1 - self.beta_2)
            write_rows(first, rows, m)
            write_rows(second, rows, v)
            step = m * rate / (tf.sqrt(v) + shared["epsilon"])
            tf.raw_ops.ResourceScatterSub(resource=variable.handle, indices=rows, updates=step)
            return
        falling = -gradient
        _average(first, rows, falling, self.beta_1)
        _average(second, rows, falling * gradient, self.beta_2)
        # Adagrad that leaves its slot alone: w - r m / (sqrt(v) + e).
        tf.raw_ops.ResourceSparseApplyAdagradV2(
            var=variable.handle,
            accum=second.handle,
            lr=rate,
            epsilon=shared["epsilon"],
            grad=gathered(first, rows),
            indices=rows,
            update_slots=False,
        )


def _average(slot: tf.Variable, rows: Tensor, falling: Tensor, beta: float) -> None:
    """Computes `s = b s + (1 - b) g` in rows of a slot, in one pass; `falling` is `-g`.

    The kernel of proximal gradient descent computes `(s - a f) / (1 + a l2)`: with `l2 = 1` and
    `a = (1 - b) / b` that is the moving average.
    """
    zero, one = tf.zeros([], falling.dtype), tf.ones([], falling.dtype)
    tf.raw_ops.ResourceSparseApplyProximalGradientDescent(
        var=slot.handle,
        alpha=tf.constant((1 - beta) / beta, falling.dtype),
        l1=zero,
        l2=one,
        grad=falling,
        indices=rows,
    )


def _has_kernels(variable: tf.Variable) -> bool:
    return variable.dtype in (tf.float32, tf.float64) and "GPU" not in variable.device
