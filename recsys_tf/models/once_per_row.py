"""An expensive encoder that runs once for equal rows of a batch."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from recsys_tf.layers.inner_layers import with_layers
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class OncePerRow(keras.layers.Layer):
    """Computes `y = encoder(x)` over the different rows of `x` and spreads the result.

    A batch of interactions holds popular items many times, and each of them the same text. The
    transformer then runs once a text: half the rows at 1,024 rows of MovieLens. Rows of tokens
    are compared, not ids, so that two unknown items with different texts stay different.

    Args:
        encoder: A layer from `[B, W]` integers to `[B, D]`.
        **kwargs: Arguments of every Keras layer.
    """

    def __init__(self, encoder: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encoder = encoder

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Builds the encoder."""
        if not self.encoder.built:
            self.encoder.build(inputs_shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Encodes the different rows.

        Args:
            inputs: int `[B, W]`.
            training: Passed on; dropout then drops the same units for equal rows.

        Returns:
            The encoder's output, float `[B, D]`.
        """
        rows, positions = tf.raw_ops.UniqueV2(x=inputs, axis=[0])[:2]
        rows = tf.ensure_shape(rows, (None, inputs.shape[1]))
        return tf.gather(self.encoder(rows, training=training), positions)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        """Returns the encoder's output shape."""
        return self.encoder.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        encoder = keras.saving.serialize_keras_object(self.encoder)
        return {**super().get_config(), "encoder": encoder}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OncePerRow:
        """Builds the layer from `get_config`'s result."""
        return cls(**with_layers(config, "encoder"))
