"""The vectors of a history's events, one by one."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.encoders.shared_encoder import shared_encoder_config
from recsys_tf.layers.inner_layers import with_layers
from recsys_tf.layers.shapes import check_rank
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class HistoryEvents(keras.layers.Layer):
    """Looks up the items that a user met: `y_l = E[x_l]`.

    `E` is the item's own table, shared with the candidate, so that what reads the events for one
    candidate finds both in one space. `HistoryEncoder` looks them up alike, and gives one vector.

    Args:
        item_encoder: The item's encoder, int `[B, L]` -> float `[B, L, D]`, zeros at padding.
            Shared by giving the very layer that encodes the item.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If the input is not of rank 2.

    Example:
        >>> import numpy as np
        >>> from recsys_tf.encoders.id_encoder import IdEncoder
        >>> HistoryEvents(IdEncoder(10, 4))(np.array([[3, 5, 0]])).shape == (1, 3, 4)
        True
    """

    def __init__(self, item_encoder: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.item_encoder = item_encoder

    def build(self, ids_shape: tuple[int | None, ...]) -> None:
        """Builds the item's encoder if it is not built yet."""
        check_rank("ids", ids_shape, 2)
        if not self.item_encoder.built:
            self.item_encoder.build(ids_shape)

    def call(self, ids: Tensor) -> Tensor:
        """Looks the events up.

        Args:
            ids: Item indices, int `[B, L]`; 0 is padding, at any place.

        Returns:
            Float `[B, L, D]`; zeros at padding.
        """
        # Not as in training: hiding single ids is for the candidate, not for its history.
        return self.item_encoder(ids, training=False)

    def compute_output_shape(self, ids_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, L, D]`."""
        return tuple(self.item_encoder.compute_output_shape(ids_shape))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; the encoder stays shared, see `HistoryEncoder`."""
        return {**super().get_config(), "item_encoder": shared_encoder_config(self.item_encoder)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HistoryEvents:
        """Makes the layer again from `get_config`'s values."""
        return cls(**with_layers(config, "item_encoder"))
