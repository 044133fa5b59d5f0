"""The vectors of a history's events, one by one."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.encoders.event_encoder import build_event_encoder
from recsys_tf.encoders.shared_encoder import shared_encoder_config
from recsys_tf.layers.inner_layers import with_layers
from recsys_tf.layers.shapes import check_rank
from recsys_tf.types import PADDING_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class HistoryEvents(keras.layers.Layer):
    """Looks up the items that a user met: `y_l = E[x_l]`, and what else is known of the events.

    `E` is the item's own table, shared with the candidate, so that what reads the events for one
    candidate finds both in one space. `HistoryEncoder` looks them up alike, and gives one vector.

    Args:
        item_encoder: The item's encoder, int `[B, L]` -> float `[B, L, D]`, zeros at padding.
            Shared by giving the very layer that encodes the item.
        event_encoder: An `EventEncoder`, which adds the events' kinds and times; None where the
            items are all that is known.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If an input is not of rank 2, or kinds or times are given and not read or the
            other way round.

    Example:
        >>> import numpy as np
        >>> from recsys_tf.encoders.id_encoder import IdEncoder
        >>> HistoryEvents(IdEncoder(10, 4))(np.array([[3, 5, 0]])).shape == (1, 3, 4)
        True
    """

    def __init__(
        self,
        item_encoder: keras.layers.Layer,
        event_encoder: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.item_encoder = item_encoder
        self.event_encoder = event_encoder

    def build(
        self,
        ids_shape: tuple[int | None, ...],
        actions_shape: tuple[int | None, ...] | None = None,
        times_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Builds the encoders that are not built yet."""
        check_rank("ids", ids_shape, 2)
        if not self.item_encoder.built:
            self.item_encoder.build(ids_shape)
        build_event_encoder(
            self.event_encoder, self.compute_output_shape(ids_shape), actions_shape, times_shape
        )

    def call(
        self, ids: Tensor, actions: Tensor | None = None, times: Tensor | None = None
    ) -> Tensor:
        """Looks the events up.

        Args:
            ids: Item indices, int `[B, L]`; 0 is padding, at any place.
            actions: Int `[B, L]`, the events' kinds, see `EventEncoder`.
            times: Int `[B, L]`, when the events happened, seconds.

        Returns:
            Float `[B, L, D]`; zeros at padding.
        """
        # Not as in training: hiding single ids is for the candidate, not for its history.
        events = self.item_encoder(ids, training=False)
        if self.event_encoder is None:
            return events
        return self.event_encoder(
            events, ops.not_equal(ids, PADDING_INDEX), actions=actions, times=times
        )

    def compute_output_shape(
        self, ids_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """Returns `[B, L, D]`."""
        return tuple(self.item_encoder.compute_output_shape(ids_shape))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; the encoder stays shared, see `HistoryEncoder`."""
        config = {
            "item_encoder": shared_encoder_config(self.item_encoder),
            "event_encoder": keras.saving.serialize_keras_object(self.event_encoder),
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HistoryEvents:
        """Makes the layer again from `get_config`'s values."""
        return cls(**with_layers(config, "item_encoder", "event_encoder"))
