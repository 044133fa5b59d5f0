"""How much every user likes an item, whoever asks."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.layers import EmbeddingTable
from recsys_tf.layers.precision import full_precision
from recsys_tf.types import FloatArray, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class ItemBias(keras.layers.Layer):
    """Computes `b = B[x] + w . f`: a number of the item's own, and one that its features give.

    The first starts at the logarithm of the item's share of the training rows, so that a user
    of whom nothing is known is answered with popularity. The second, which starts at 0, serves
    new items. Both are float32 in mixed precision too: a bias of about `log(1 / N)` would lose
    most of its digits.

    Args:
        num_indices: Number of item indices with the reserved ones.
        **kwargs: Arguments of every Keras layer.
    """

    def __init__(self, num_indices: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_indices = num_indices
        policy = full_precision(self.dtype_policy)
        self.bias = EmbeddingTable(
            num_indices, 1, embeddings_initializer="zeros", dtype=policy, name="bias"
        )
        self.of_features = keras.layers.Dense(
            1, use_bias=False, kernel_initializer="zeros", dtype=policy, name="of_features"
        )

    def build(self, ids_shape: tuple[int | None, ...], features_shape: tuple[Any, ...]) -> None:
        """Makes the table and the weights of the features."""
        self.bias.build(ids_shape)
        self.of_features.build(features_shape)

    def start_at(self, biases: FloatArray) -> None:
        """Sets the items' own numbers.

        Args:
            biases: float `[N + 2]`, by item index.
        """
        self.bias.embeddings.assign(biases[:, None])

    def call(self, ids: Tensor, features: Tensor) -> Tensor:
        """Computes the biases.

        Args:
            ids: int `[B]`, item indices.
            features: float `[B, H]`.

        Returns:
            Float `[B, 1]`.
        """
        return self.bias(ids) + self.of_features(features)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_indices": self.num_indices}
