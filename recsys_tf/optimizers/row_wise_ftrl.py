"""FTRL-Proximal over the rows of a batch."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from recsys_tf.optimizers.row_wise import RowWiseStep, raw
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class RowWiseFtrl(RowWiseStep, keras.optimizers.Ftrl):
    """Computes FTRL-Proximal's `w = (clip(z, -l1, l1) - z) / q` for the rows that a batch read.

    `n' = n + g^2`, `z' = z + g - (sqrt(n') - sqrt(n)) w / r` and `q = sqrt(n') / r + 2 l2`. The
    numbers are those of `keras.optimizers.Ftrl` on a dense gradient for the rows that are read. A
    row without a gradient keeps its `n` and `z` in both; the dense one still writes its `w` from
    them, so that a row that no batch has read yet leaves what it started at for the 0 of `z = 0`.
    Here it stays until it is read.

    Choose it with `l1_regularization_strength` for wide tables of which most rows shall be 0. FTRL
    keeps no start value: the first step of a row puts it near 0. Tables that must not start at 0,
    such as factors, need `is_start_kept`. Its rate should be constant: `q` divides all that was
    summed by the rate of now.

    The other arguments and the saved state are those of `keras.optimizers.Ftrl`.

    Args:
        learning_rate: The rate `r`.
        is_start_kept: Whether `z` starts at what gives the table that it starts at.
        **kwargs: Further arguments of `keras.optimizers.Ftrl`.

    Raises:
        ValueError: If `use_ema` or `gradient_accumulation_steps` is given: they walk the whole
            table; or if the start is to be kept and the rate is no number.

    Example:
        >>> table = keras.Variable([[1.0], [1.0]])
        >>> slices = tf.IndexedSlices(tf.constant([[3.0]]), tf.constant([1]), [2, 1])
        >>> RowWiseFtrl(0.1, initial_accumulator_value=0.0).apply([slices], [table])
        >>> [round(float(each[0]), 4) for each in table.numpy()]
        [1.0, 0.9]

    Source: McMahan et al., 2013, "Ad Click Prediction: a View from the Trenches",
        https://doi.org/10.1145/2487575.2488200, algorithm 1.
    """

    has_shrinking_steps = True

    def __init__(
        self, learning_rate: Any = 0.001, is_start_kept: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.is_start_kept = bool(is_start_kept)
        self._start_rate = learning_rate
        if is_start_kept and not isinstance(learning_rate, (int, float)):
            raise ValueError(
                "`learning_rate` must be a number where `is_start_kept` is true, received "
                f"{learning_rate!r}: what is kept of the start would change with the rate."
            )

    def build(self: Any, variables: Any) -> None:
        """Makes the slots."""
        if self.built:
            return
        super().build(variables)
        if self.is_start_kept:
            for variable, slot in zip(variables, self._linears, strict=True):
                values = keras.ops.convert_to_tensor(variable)
                slot.assign(ftrl_start(self, values, self._start_rate))

    def step_rows(
        self: Any, rows: Tensor, gradient: Tensor, variable: Any, learning_rate: Tensor
    ) -> None:
        """Steps some rows of a table; see `RowWiseStep`."""
        self.decayed(rows, variable, learning_rate)
        index = self._get_variable_index(variable)
        dtype = gradient.dtype
        tf.raw_ops.ResourceSparseApplyFtrlV2(
            var=variable.handle,
            accum=raw(self._accumulators[index]).handle,
            linear=raw(self._linears[index]).handle,
            grad=gradient,
            indices=rows,
            lr=learning_rate,
            l1=tf.cast(self.l1_regularization_strength, dtype),
            l2=self.l2_regularization_strength + self.beta / (2 * learning_rate),
            l2_shrinkage=tf.cast(self.l2_shrinkage_regularization_strength, dtype),
            lr_power=tf.cast(self.learning_rate_power, dtype),
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "is_start_kept": self.is_start_kept}


def ftrl_start(
    optimizer: keras.optimizers.Ftrl, values: Tensor, learning_rate: float | Tensor
) -> Tensor:
    """Computes the `z` of rows that keep their values and have met no gradient: `-(q w + l1 s)`.

    `s` is the sign of `w`. It is `w = (clip(z, -l1, l1) - z) / q` solved for `z`, with the `n` that
    the optimiser starts at.

    Args:
        optimizer: FTRL, Keras's or the row-wise one.
        values: The rows `w`, float `[N, D]`.
        learning_rate: The rate `r`.

    Returns:
        Float `[N, D]`.
    """
    power = optimizer.initial_accumulator_value ** (-optimizer.learning_rate_power)
    quadratic = (power + optimizer.beta) / learning_rate + 2 * optimizer.l2_regularization_strength
    return -(quadratic * values + optimizer.l1_regularization_strength * keras.ops.sign(values))
