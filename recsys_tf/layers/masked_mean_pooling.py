"""Mean over the valid positions of a list."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_rank
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class MaskedMeanPooling(keras.layers.Layer):
    """Sums the valid vectors of a list and divides by a power of their number `n`.

    `y = sum_l m_l x_l / n^p`, with `m` the mask and `p` the `length_power`: 1 is the mean, 0.5
    the root mean, which lets a longer history speak louder, 0 the sum. Choose it where the order
    and the kind of the events matter little; it is the cheapest pooling.

    Args:
        length_power: Power of the number of valid positions, from 0 to 1.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `length_power` is outside 0 to 1, or an input has another rank.

    Example:
        >>> import numpy as np
        >>> events = np.array([[[2.0], [4.0], [9.0]]], "float32")
        >>> float(MaskedMeanPooling()(events, np.array([[True, True, False]]))[0, 0])
        3.0

    Source: Covington et al., 2016, "Deep Neural Networks for YouTube Recommendations",
        https://doi.org/10.1145/2959100.2959190, section 3.2, for the mean. The powers 0.5 and 0
        are TensorFlow's combiners `sqrtn` and `sum`.
    """

    def __init__(self, length_power: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= length_power <= 1:
            raise ValueError(
                f"`length_power` must be from 0 (sum) to 1 (mean), received {length_power!r}."
            )
        self.length_power = float(length_power)

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Checks the ranks; there are no weights."""
        check_rank("events", events_shape, 3)
        check_rank("is_valid", is_valid_shape, 2)

    def call(self, events: Tensor, is_valid: Tensor) -> Tensor:
        """Pools each row's list.

        Args:
            events: Float `[B, L, D]`.
            is_valid: Bool `[B, L]`, True at the positions that count.

        Returns:
            Float `[B, D]`; zeros for a row without any valid position.
        """
        # One matrix product a row instead of a masked copy of [B, L, D].
        weights = ops.expand_dims(mean_weights(is_valid, self.length_power), 1)
        return ops.squeeze(ops.matmul(ops.cast(weights, events.dtype), events), axis=1)

    def compute_output_shape(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (events_shape[0], events_shape[2])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "length_power": self.length_power}


def mean_weights(is_valid: Tensor, length_power: float = 1.0) -> Tensor:
    """Weights whose weighted sum is the masked mean: `m_l / max(n, 1)^p`.

    Args:
        is_valid: Bool or 0/1, `[B, L]`.
        length_power: 1 for the mean, 0.5 for the root mean, 0 for the sum.

    Returns:
        Float32 `[B, L]`; zeros for a row without any valid position.
    """
    # float32, since bfloat16 counts exactly to 256 only and histories are longer.
    valid = ops.cast(is_valid, "float32")
    count = ops.maximum(ops.sum(valid, axis=1, keepdims=True), 1.0)
    return valid / ops.power(count, length_power)
