"""The cross layer of DCNv2."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class CrossLayer(keras.layers.Layer):
    """Crosses every feature with every other: `y = x0 * (x W + b) + x`.

    `x0` is the stack's first input and `x` the output of the layer before, so that `n` layers
    make all products of up to `n + 1` features. With `projection_dim` the matrix is the product
    of two thin ones, `W = U V`, of shapes `[D, projection_dim]` and `[projection_dim, D]`: choose
    it for wide inputs, where the full `[D, D]` matrix costs too much.

    Args:
        projection_dim: Rank of the matrix; None for the full matrix, which is the more exact.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Raises:
        ValueError: If `projection_dim` is below 1, or the two inputs differ in width.

    Example:
        >>> import numpy as np
        >>> layer = CrossLayer()
        >>> x0 = np.array([[1.0, 2.0]], "float32")
        >>> layer(x0, x0).shape == (1, 2)
        True

    Source: Wang et al., 2021, "DCN V2: Improved Deep & Cross Network and Practical Lessons for
        Web-scale Learning to Rank Systems", https://arxiv.org/abs/2008.13535: the cross layer.
    """

    def __init__(self, projection_dim: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if projection_dim is not None:
            check_positive("projection_dim", projection_dim)
        self.projection_dim = projection_dim

    def build(self, x0_shape: tuple[int | None, ...], x_shape: tuple[int | None, ...]) -> None:
        """Makes the matrix and the bias for inputs of width `D`."""
        check_rank("x0", x0_shape, 2)
        check_rank("x", x_shape, 2)
        width = check_width("x0", x0_shape)
        if width != check_width("x", x_shape):
            raise ValueError(
                f"`x` must have the width of `x0` ({width}), received shape {tuple(x_shape)}."
            )
        rank = self.projection_dim
        self.down_kernel = None
        if rank is not None:
            self.down_kernel = self.add_weight(
                name="down_kernel", shape=(width, rank), initializer="glorot_uniform"
            )
        self.kernel = self.add_weight(
            name="kernel", shape=(rank or width, width), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")

    def call(self, x0: Tensor, x: Tensor) -> Tensor:
        """Crosses the input once more.

        Args:
            x0: First input of the stack, float `[B, D]`.
            x: Output of the layer before, float `[B, D]`; `x0` itself for the first layer.

        Returns:
            Float `[B, D]`.
        """
        projected = x if self.down_kernel is None else ops.matmul(x, self.down_kernel)
        return x0 * ops.add(ops.matmul(projected, self.kernel), self.bias) + x

    def compute_output_shape(
        self, x0_shape: tuple[int | None, ...], x_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the shape of `x0`."""
        return tuple(x0_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "projection_dim": self.projection_dim}
