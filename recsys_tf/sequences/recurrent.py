"""Recurrent networks, layer after layer, over rows without gaps."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_share, check_width
from recsys_tf.sequences.sequence_encoder import SequenceEncoder
from recsys_tf.types import Tensor


class Recurrent(SequenceEncoder):
    """Hands a state from event to event, `num_layers` times: a subclass says by what layer.

    No mask is needed, as the padding comes after the events; on a GPU cuDNN then runs the loop.

    Args:
        num_layers: Number of layers, each over the states of the one before.
        dropout: Share of each layer's inputs that is dropped while training.
        **kwargs: Arguments of every Keras layer.
    """

    recurrent_layer: type[keras.layers.Layer]

    def __init__(self, num_layers: int = 1, dropout: float = 0.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_layers = check_positive("num_layers", num_layers)
        self.dropout = check_share("dropout", dropout)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Makes each layer's weights for vectors of width `D`."""
        super().build(events_shape, is_valid_shape)
        width = check_width("events", events_shape)
        self.layers = []
        for index in range(self.num_layers):
            layer = self.recurrent_layer(
                width, return_sequences=True, dtype=self.dtype_policy, name=f"layer_{index}"
            )
            layer.build(events_shape)
            self.layers.append(layer)

    def encode(self, events: Tensor, is_valid: Tensor, training: bool = False) -> Tensor:
        """Runs over rows without gaps; see `SequenceEncoder.encode`."""
        for layer in self.layers:
            events = self.dropout_layer(events, training=training)
            # Keras's LSTM fails at no rows.
            is_empty = ops.equal(ops.shape(events)[0], 0)
            events = ops.cond(
                is_empty, lambda x=events: x, partial(layer, events, training=training)
            )
        return events

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"num_layers": self.num_layers, "dropout": self.dropout}
        return {**super().get_config(), **config}
