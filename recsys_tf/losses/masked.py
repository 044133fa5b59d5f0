"""Which rows have a label, and the mean of a loss over them."""

from __future__ import annotations

import keras
from keras import ops

from recsys_tf.types import Tensor


def present_labels(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Separates the missing labels from the others.

    Missing is NaN for labels of floats and a negative class for labels of integers. The missing
    ones come back as 0, since a NaN that is multiplied by a weight of 0 stays NaN.

    Args:
        labels: `[B]` or `[B, C]`. A row of `[B, C]` is missing where any of its entries is.

    Returns:
        The labels with 0 in place of the missing ones, and a float32 mask `[B]`, 1 where the
        label is present.
    """
    labels = ops.convert_to_tensor(labels)
    is_float = "float" in keras.backend.standardize_dtype(labels.dtype)
    is_missing = ops.isnan(labels) if is_float else ops.less(labels, 0)
    filled = ops.where(is_missing, ops.zeros_like(labels), labels)
    if len(labels.shape) > 1:
        is_missing = ops.any(is_missing, axis=-1)
    return filled, 1.0 - ops.cast(is_missing, "float32")


def masked_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Computes the weighted mean `sum(w * x) / sum(w)`, and 0 where all weights are 0.

    Args:
        values: float `[B]`.
        weights: float `[B]`, 0 or more; 0 leaves the row out.

    Returns:
        float32 scalar. It has no gradient to a row of weight 0.
    """
    values = ops.cast(values, "float32")
    weights = ops.cast(weights, "float32")
    # A row that is left out may hold an overflow; 0 * inf would spread it to the others.
    values = ops.where(weights > 0, values, ops.zeros_like(values))
    total = ops.sum(weights)
    return ops.sum(values * weights) / ops.where(total > 0, total, ops.ones_like(total))
