"""One block of gated attention without a softmax."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.built_dense import built_dense
from recsys_tf.layers.by_head import by_head
from recsys_tf.layers.shapes import check_positive, check_rank, check_share, check_width
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class HSTUBlock(keras.layers.Layer):
    """Applies `x = x + (norm(A V) * U) W + b`, with `U, V, Q, K` parts of `silu(norm(x) W' + b')`.

    In each head `A_lm = silu(q_l . k_m + bias_lm) / (l + 1)`: not normalised, so that it tells how
    much of something there was and not only which share. Where the bias is a large negative
    number, nothing is looked at; it must be a finite one of the layer's dtype, in float16 -3e4 say.

    Args:
        num_heads: Number of heads, which divides `D`.
        dropout: Share of the gated sums that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_heads` is below 1 or does not divide `D`, or `dropout` is not from 0 to
            below 1.

    Example:
        >>> import numpy as np
        >>> bias = np.zeros([1, 1, 5, 5], "float32")
        >>> HSTUBlock()(np.ones([3, 5, 4], "float32"), bias).shape == (3, 5, 4)
        True

    Source: Zhai et al., 2024, https://arxiv.org/abs/2402.17152, equations 1 to 3; see `HSTU`.
    """

    def __init__(self, num_heads: int = 1, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_positive("num_heads", num_heads)
        self.dropout = check_share("dropout", dropout)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.norms = [
            keras.layers.LayerNormalization(epsilon=1e-6, dtype=self.dtype_policy, name=name)
            for name in ("input_norm", "sum_norm")
        ]

    def build(
        self, inputs_shape: tuple[int | None, ...], score_bias_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the weights for vectors of width `D`."""
        check_rank("inputs", inputs_shape, 3)
        check_rank("score_bias", score_bias_shape, 4)
        width = check_width("inputs", inputs_shape)
        if width % self.num_heads:
            raise ValueError(
                f"`num_heads` must divide the width of the events, received {self.num_heads} for "
                f"the width {width}."
            )
        for norm in self.norms:
            norm.build(inputs_shape)
        # Glorot's range of ONE of the four; Keras would count all four as its outputs.
        limit = math.sqrt(6 / (2 * width))
        self.parts_kernel = self.add_weight(
            name="parts_kernel",
            shape=(width, 4 * width),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        self.parts_bias = self.add_weight(
            name="parts_bias", shape=(4 * width,), initializer="zeros"
        )
        self.joining = built_dense(width, inputs_shape, "joining", self.dtype_policy)

    def call(
        self,
        inputs: Tensor,
        score_bias: Tensor,
        training: bool = False,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Adds to each position what it gathers.

        Args:
            inputs: Float `[B, L, D]`.
            score_bias: Float `[B, num_heads, L, L]`, or with a 1 for the first sizes.
            training: Whether gated sums are dropped.
            positions: Int `[B, L]`, the `l` of the formula; None counts the row's events.

        Returns:
            Float `[B, L, D]`.
        """
        joint = ops.matmul(self.norms[0](inputs), self.parts_kernel) + self.parts_bias
        gate, *parts = ops.split(ops.silu(joint), 4, axis=-1)
        value, query, key = (by_head(part, self.num_heads) for part in parts)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        weights = ops.silu(scores + ops.cast(score_bias, scores.dtype))
        sums = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        if positions is None:
            count = ops.arange(1, ops.shape(inputs)[1] + 1, dtype="float32")
        else:
            count = ops.cast(positions + 1, "float32")
        share = ops.cast(ops.expand_dims(1 / count, -1), sums.dtype)
        sums = ops.reshape(sums, ops.shape(inputs)) * share
        gated = self.norms[1](sums) * gate
        gated = self.dropout_layer(gated, training=training)
        return inputs + self.joining(gated)

    def compute_output_shape(
        self,
        inputs_shape: tuple[int | None, ...],
        score_bias_shape: tuple[int | None, ...],
        *_: Any,
    ) -> tuple[int | None, ...]:
        """Returns `[B, L, D]`."""
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_heads": self.num_heads, "dropout": self.dropout}
