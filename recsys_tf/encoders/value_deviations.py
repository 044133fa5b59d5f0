"""What the values of a history's events say of its row."""

from __future__ import annotations

from keras import ops

from recsys_tf.layers.masked_mean_pooling import mean_weights
from recsys_tf.types import Tensor


def value_deviations(
    values: Tensor, is_valid: Tensor, length_power: float
) -> tuple[Tensor, Tensor]:
    """Computes each row's mean value, and how far its events lie from it.

    Args:
        values: Float `[B, L]`; 0 where an event has none.
        is_valid: Bool `[B, L]`, False at padding.
        length_power: The deviations are divided by the number of the row's values to this power.

    Returns:
        float32 `[B, 1]` and `[B, L]`, whatever the layers' dtype: half precision would make values
        near each other equal. Zeros in a row without any value.
    """
    values = ops.cast(values, "float32")
    is_valued = ops.logical_and(is_valid, ops.not_equal(values, 0.0))
    mean = ops.sum(mean_weights(is_valued) * values, axis=1, keepdims=True)
    return mean, mean_weights(is_valued, length_power) * (values - mean)
