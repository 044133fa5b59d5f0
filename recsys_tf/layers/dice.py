"""A rectifier whose bend follows the data."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_rank, check_width
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class Dice(keras.layers.Layer):
    """Applies `y = p(x) x + (1 - p(x)) alpha x` with `p(x) = sigmoid((x - mean) / sqrt(var))`.

    Mean and variance are each unit's over the valid positions of the batch while training, and
    running ones afterwards; `alpha` is learned, from 0. A leaky ReLU bends at 0 whatever it is
    given, this one smoothly where the data lie.

    Args:
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If the input is not `[B, L, H]` with known `H`, or the mask not `[B, L]`.

    Example:
        >>> import numpy as np
        >>> Dice()(np.ones([2, 3, 4], "float32"), np.ones([2, 3], bool)).shape == (2, 3, 4)
        True

    Source: Zhou et al., 2018, "Deep Interest Network for Click-Through Rate Prediction",
        https://arxiv.org/abs/1706.06978, equation 3. Padding takes no part in the moments.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(
            epsilon=1e-6, center=False, scale=False, dtype=self.dtype_policy, name="norm"
        )

    def build(
        self, inputs_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the slopes and the running moments."""
        check_rank("inputs", inputs_shape, 3)
        check_rank("is_valid", is_valid_shape, 2)
        self.norm.build(inputs_shape)
        self.alpha = self.add_weight(
            name="alpha", shape=(check_width("inputs", inputs_shape),), initializer="zeros"
        )

    def call(self, inputs: Tensor, is_valid: Tensor, training: bool = False) -> Tensor:
        """Bends each number.

        Args:
            inputs: Float `[B, L, H]`.
            is_valid: Bool `[B, L]`: the positions whose moments are taken.
            training: Whether the batch's moments are taken, and the running ones updated; those of
                a batch without a valid position, and what is not finite, leave them as they are.

        Returns:
            Float `[B, L, H]`.
        """
        moments = (self.norm.moving_mean, self.norm.moving_variance)
        before = [ops.copy(each) for each in moments]
        share = ops.sigmoid(self.norm(inputs, training=training, mask=is_valid))
        if training:
            # Keras moves them towards 0, which is no moment of a batch without any valid position;
            # and a NaN would stay for good, though the step that met it is left out.
            has_any = ops.any(is_valid)
            for moment, old in zip(moments, before, strict=True):
                is_moved = ops.logical_and(has_any, ops.isfinite(moment))
                moment.assign(ops.where(is_moved, moment, old))
        return inputs * (self.alpha + (1 - self.alpha) * share)

    def compute_output_shape(
        self, inputs_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the inputs' shape."""
        return tuple(inputs_shape)
