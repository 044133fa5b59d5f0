"""Vector of a number."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.layers.shapes import check_positive, check_rank
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class NumericEncoder(keras.layers.Layer):
    """Encodes a number, and whether there is one: `y = relu([v, p] W + b) V + c`.

    `v` is the scaled number (0 where it is missing) and `p` is 1 where it is given. The hidden
    layer makes a function with `D` kinks of the number, so that a feature may count in the middle
    of its range and not at its ends; a missing number gets a learned vector of its own.

    Args:
        embedding_dim: Width `D` of the vector and of the hidden layer.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `embedding_dim` is below 1, or the input is not `[B, 2]`.

    Example:
        >>> import numpy as np
        >>> NumericEncoder(4)(np.array([[0.3, 1.0], [0.0, 0.0]], "float32")).shape == (2, 4)
        True

    Source: Gorishniy et al., 2022, "On Embeddings for Numerical Features in Tabular Deep
        Learning", https://arxiv.org/abs/2203.05556, section 3.4 (ReLU and linear); the input
        `p` is this package's.
    """

    def __init__(self, embedding_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        self.hidden = keras.layers.Dense(
            embedding_dim, "relu", dtype=self.dtype_policy, name="hidden"
        )
        self.projection = keras.layers.Dense(
            embedding_dim, dtype=self.dtype_policy, name="projection"
        )

    def build(self, numbers_shape: tuple[int | None, ...]) -> None:
        """Builds both layers."""
        check_rank("numbers", numbers_shape, 2)
        if numbers_shape[1] != 2:
            raise ValueError(
                "`numbers` must hold the scaled value and whether it is given, [B, 2], "
                f"received shape {tuple(numbers_shape)}."
            )
        self.hidden.build(numbers_shape)
        self.projection.build((numbers_shape[0], self.embedding_dim))

    def call(self, numbers: Tensor) -> Tensor:
        """Encodes the numbers.

        Args:
            numbers: Float `[B, 2]`: the scaled value or 0, and 1 where it is given, else 0.

        Returns:
            Float `[B, D]`.
        """
        return self.projection(self.hidden(numbers))

    def compute_output_shape(self, numbers_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (numbers_shape[0], self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "embedding_dim": self.embedding_dim}
