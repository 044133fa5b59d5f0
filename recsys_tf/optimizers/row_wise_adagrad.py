"""Adagrad over the rows of a batch."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from recsys_tf.optimizers.row_wise import RowWiseStep, gathered, raw, write_rows
from recsys_tf.types import Tensor

# An epsilon below this share of the accumulator changes a step by less than float32 can hold.
_NEGLIGIBLE = 1.01e-6


@keras.saving.register_keras_serializable(package="recsys_tf")
class RowWiseAdagrad(RowWiseStep, keras.optimizers.Adagrad):
    """Computes `n' = n + g^2`, `w -= r g / sqrt(n' + e)` for the rows that a batch read.

    The numbers are those of `keras.optimizers.Adagrad` on a dense gradient, for every row: a row
    without a gradient keeps its `n` and does not move there either. So nothing is lost, and rare
    rows keep their large steps. Choose it for tables of ids of which few are common.

    The arguments and the saved state are those of `keras.optimizers.Adagrad`. Weight decay is taken
    off a table's rows when they are stepped, and off no others.

    Raises:
        ValueError: If `use_ema` or `gradient_accumulation_steps` is given: they walk the whole
            table.

    Example:
        >>> table = keras.Variable([[1.0], [1.0]])
        >>> slices = tf.IndexedSlices(tf.constant([[3.0]]), tf.constant([1]), [2, 1])
        >>> RowWiseAdagrad(0.1, initial_accumulator_value=0.0).apply([slices], [table])
        >>> [round(float(each[0]), 4) for each in table.numpy()]
        [1.0, 0.9]

    Source: Duchi et al., 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic
        Optimization", https://jmlr.org/papers/v12/duchi11a.html, equation 1 with diagonal G.
    """

    has_shrinking_steps = True

    def step_rows(
        self: Any, rows: Tensor, gradient: Tensor, variable: Any, learning_rate: Tensor
    ) -> None:
        """Steps some rows of a table; see `RowWiseStep`."""
        self.decayed(rows, variable, learning_rate)
        slot = self._accumulators[self._get_variable_index(variable)]
        if self.epsilon <= _NEGLIGIBLE * self.initial_accumulator_value:
            # TensorFlow's kernel, which knows no epsilon, writes slot and table in one pass.
            tf.raw_ops.ResourceSparseApplyAdagrad(
                var=variable.handle,
                accum=raw(slot).handle,
                lr=learning_rate,
                grad=gradient,
                indices=rows,
            )
            return
        squares = gathered(slot, rows) + tf.square(gradient)
        write_rows(slot, rows, squares)
        tf.raw_ops.ResourceScatterSub(
            resource=variable.handle,
            indices=rows,
            updates=learning_rate * gradient / tf.sqrt(squares + self.epsilon),
        )
