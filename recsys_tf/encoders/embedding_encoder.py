"""Projection of a ready-made vector."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class EmbeddingEncoder(keras.layers.Layer):
    """Projects a vector that was made elsewhere to the model's width: `y = x W + b`.

    Args:
        embedding_dim: Width `D` of the output.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `embedding_dim` is below 1, or the input is not of rank 2.

    Example:
        >>> import numpy as np
        >>> EmbeddingEncoder(4)(np.ones([2, 384], "float32")).shape == (2, 4)
        True

    Source: Covington et al., 2016, "Deep Neural Networks for YouTube Recommendations",
        https://doi.org/10.1145/2959100.2959190, figure 7, where ready-made video vectors enter
        the ranking network; the projection makes their width that of the other features.
    """

    def __init__(self, embedding_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        self.projection = keras.layers.Dense(
            embedding_dim, dtype=self.dtype_policy, name="projection"
        )

    def build(self, vectors_shape: tuple[int | None, ...]) -> None:
        """Builds the projection for vectors of known size."""
        check_rank("vectors", vectors_shape, 2)
        check_width("vectors", vectors_shape)
        self.projection.build(vectors_shape)

    def call(self, vectors: Tensor) -> Tensor:
        """Projects the vectors.

        Args:
            vectors: Float `[B, size]`; zeros where there is none.

        Returns:
            Float `[B, D]`; the learned bias where there is none.
        """
        return self.projection(vectors)

    def compute_output_shape(self, vectors_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (vectors_shape[0], self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "embedding_dim": self.embedding_dim}
