"""Items by their ids and by what they are, wherever a history reads them."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.encoders.shared_encoder import shared_encoder_config
from recsys_tf.layers.inner_layers import with_layers
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class DescribedItems(keras.layers.Layer):
    """Looks items up by their ids and adds what is known of them: `y = E[x] + C[x] W`.

    It stands in the place of an item's encoder where a history looks its events up.

    Args:
        item_encoder: The item's encoder `E`, int `[...]` -> float `[..., D]`, zeros at padding;
            shared by giving the very layer that encodes the item.
        item_content: An `ItemContent` of `C` and `W`.
        **kwargs: Arguments of every Keras layer.

    Example:
        >>> import numpy as np
        >>> from recsys_tf.encoders.id_encoder import IdEncoder
        >>> from recsys_tf.encoders.item_content import ItemContent
        >>> items = DescribedItems(IdEncoder(10, 4), ItemContent(10, 3, 4))
        >>> items(np.array([[3, 5, 0]])).shape == (1, 3, 4)
        True

    Source: see `ItemContent`.
    """

    def __init__(
        self, item_encoder: keras.layers.Layer, item_content: keras.layers.Layer, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.item_encoder = item_encoder
        self.item_content = item_content

    @property
    def initial_stddev(self) -> float:
        """Standard deviation of the items' own vectors at first."""
        return float(self.item_encoder.initial_stddev)

    def build(self, ids_shape: tuple[int | None, ...]) -> None:
        """Builds the parts that are not built yet."""
        for part in (self.item_encoder, self.item_content):
            if not part.built:
                part.build(ids_shape)

    def call(self, ids: Tensor, training: bool = False) -> Tensor:
        """Looks the items up.

        Args:
            ids: Item indices, int `[...]`; 0 is padding.
            training: Handed on to the item's encoder.

        Returns:
            Float `[..., D]`; zeros at padding.
        """
        return self.item_encoder(ids, training=training) + self.item_content(ids)

    def compute_output_shape(self, ids_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[..., D]`."""
        return tuple(self.item_encoder.compute_output_shape(ids_shape))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; the encoder stays shared, see `HistoryEncoder`."""
        config = {
            "item_encoder": shared_encoder_config(self.item_encoder),
            "item_content": keras.saving.serialize_keras_object(self.item_content),
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DescribedItems:
        """Makes the layer again from `get_config`'s values."""
        return cls(**with_layers(config, "item_encoder", "item_content"))
