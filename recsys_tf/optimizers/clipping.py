"""Clipping that leaves the gradients of tables sparse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from recsys_tf.types import Tensor


def clipped_by_global_norm(gradients: Sequence[Any], limit: float) -> list[Any]:
    """Scales gradients so that their joint norm is at most `limit`, as Keras does.

    Args:
        gradients: Tensors, `tf.IndexedSlices` or None. As in Keras, the slices of a row that
            stands several times count one by one; sum them before where they should not.
        limit: The largest norm.

    Returns:
        The gradients, in the form they came in; not a number where one is not finite.

    Example:
        >>> clipped_by_global_norm([tf.constant([3.0, 4.0]), None], 1.0)[0].numpy().round(3)
        array([0.6, 0.8], dtype=float32)
    """
    halves = [
        tf.nn.l2_loss(getattr(gradient, "values", gradient))
        for gradient in gradients
        if gradient is not None
    ]
    norm = tf.sqrt(2 * tf.add_n([tf.cast(half, tf.float32) for half in halves]))
    # Not a number where the norm is none, or infinite.
    scale = limit * tf.minimum(1 / norm, 1 / limit) + (norm - norm)
    return [None if each is None else _scaled(each, scale) for each in gradients]


def clipped_rows(gradient: Any, limit: float) -> Any:
    """Clips each number of a gradient to `[-limit, limit]`; None stays None."""
    if gradient is None:
        return None
    if not isinstance(gradient, tf.IndexedSlices):
        return tf.clip_by_value(gradient, -limit, limit)
    values = tf.clip_by_value(gradient.values, -limit, limit)
    return type(gradient)(values, gradient.indices, gradient.dense_shape)


def _scaled(gradient: Any, factor: Tensor) -> Any:
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient * tf.cast(factor, gradient.dtype)
    values = gradient.values * tf.cast(factor, gradient.dtype)
    return type(gradient)(values, gradient.indices, gradient.dense_shape)
