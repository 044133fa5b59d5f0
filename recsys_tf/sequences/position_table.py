"""Learned vectors of the positions of a sequence."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class PositionTable(keras.layers.Layer):
    """Adds a learned vector to each event: `y_l = x_l + P_p(l)` with `p(l) = l`.

    In a row of more events than the table has positions the newest `max_length` of them keep
    positions of their own and in order, as they had in training, and those before share the
    first: `p(l) = max(0, l - max(0, n - max_length))` for a row of `n` events. There, and only
    there, a state also depends on how many events come after it. A model trained at each position
    cuts its windows to `max_length`. Where a row holds several sequences, `p(l)` is given.

    Args:
        max_length: Number of positions.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `max_length` is below 1.

    Example:
        >>> import numpy as np
        >>> table = PositionTable(2)
        >>> table(np.zeros([1, 3, 4], "float32"), np.ones([1, 3], bool)).shape == (1, 3, 4)
        True

    Source: Kang and McAuley, 2018, "Self-Attentive Sequential Recommendation",
        https://arxiv.org/abs/1808.09781, equation 1. The paper puts padding before the events and
        thereby counts from the newest one; here positions count from the oldest, so that a state
        is the same whatever follows.
    """

    def __init__(self, max_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length = check_positive("max_length", max_length)

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the table."""
        self.table = self.add_weight(
            name="table",
            shape=(self.max_length, events_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, events: Tensor, is_valid: Tensor, positions: Tensor | None = None) -> Tensor:
        """Adds the positions' vectors.

        Args:
            events: Float `[B, L, D]`.
            is_valid: Bool `[B, L]`; padding stands after the events.
            positions: Int `[B, L]`, each event's place in its own sequence, of `max_length` events
                at most; None counts the row's.

        Returns:
            Float `[B, L, D]`.
        """
        if positions is not None:
            positions = ops.clip(positions, 0, self.max_length - 1)
            return events + ops.take(self.table, positions, axis=0)
        length = events.shape[1]
        if length is not None and length <= self.max_length:
            # A slice for all rows; its gradient is a sum, where a gather's is scattered.
            return events + self.table[:length]
        count = ops.sum(ops.cast(is_valid, "int32"), axis=1, keepdims=True)
        too_many = ops.maximum(count - self.max_length, 0)
        positions = ops.expand_dims(ops.arange(ops.shape(events)[1], dtype="int32"), 0) - too_many
        positions = ops.clip(positions, 0, self.max_length - 1)
        return events + ops.take(self.table, positions, axis=0)

    def compute_output_shape(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `[B, L, D]`."""
        return tuple(events_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "max_length": self.max_length}
