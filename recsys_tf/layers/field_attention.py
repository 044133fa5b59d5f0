"""Self-attention of the fields of a row."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.by_head import by_head
from recsys_tf.layers.precision import precise_softmax
from recsys_tf.layers.shapes import check_fields, check_positive, check_share
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class FieldAttention(keras.layers.Layer):
    """Lets every field gather from those that fit it: `y_f = relu([z_f1; z_f2; ...] + x_f R)`.

    In each head `z_f = sum_g a_fg x_g V` with `a_fg = softmax_g(x_f Q . x_g K / sqrt(head_dim))`.
    The fields keep no order: fields in another order come out in that order. One product makes
    queries, keys, values and the residual of all heads.

    Choose it where which features belong together differs from row to row.

    Args:
        num_heads: Number of heads.
        head_dim: Width of each head.
        dropout: Share of the attention weights that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1, `dropout` is not from 0 to below 1, or the input is not
            `[B, F, D]` with known `F` and `D`.

    Example:
        >>> import numpy as np
        >>> FieldAttention(2, 8)(np.ones([5, 3, 4], "float32")).shape == (5, 3, 16)
        True

    Source: Song et al., 2019, "AutoInt: Automatic Feature Interaction Learning via Self-Attentive
        Neural Networks", https://arxiv.org/abs/1810.11921, equations 5 to 8. The division by the
        root of the width, which keeps wide heads from choosing one field at the start, stands in
        the authors' code and not in the paper. That code's ReLU on queries, keys and values and its
        layer normalisation are left out, as in the paper.
    """

    def __init__(
        self, num_heads: int = 2, head_dim: int = 16, dropout: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_positive("num_heads", num_heads)
        self.head_dim = check_positive("head_dim", head_dim)
        self.dropout = check_share("dropout", dropout)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def build(self, fields_shape: tuple[int | None, ...]) -> None:
        """Makes one kernel of queries, keys, values and residuals, of all heads together."""
        _, width = check_fields("fields", fields_shape)
        units = self.num_heads * self.head_dim
        # Glorot's range of ONE of the four; Keras would count all four as its outputs.
        limit = math.sqrt(6 / (width + units))
        self.kernel = self.add_weight(
            name="kernel",
            shape=(width, 4 * units),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )

    def call(self, fields: Tensor, training: bool = False) -> Tensor:
        """Lets the fields attend to each other.

        Args:
            fields: Float `[B, F, D]`.
            training: Whether attention weights are dropped.

        Returns:
            Float `[B, F, num_heads head_dim]`.
        """
        # Split before the heads are: a transpose of four axes is twice as fast as one of five.
        parts = ops.split(ops.matmul(fields, self.kernel), 4, axis=-1)
        query, key, value, residual = (by_head(part, self.num_heads) for part in parts)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / math.sqrt(self.head_dim)
        weights = precise_softmax(scores)
        weights = ops.cast(weights, self.compute_dtype)
        weights = self.dropout_layer(weights, training=training)
        gathered = ops.relu(ops.matmul(weights, value) + residual)
        by_field = ops.transpose(gathered, (0, 2, 1, 3))
        return ops.reshape(by_field, (-1, fields.shape[1], self.num_heads * self.head_dim))

    def compute_output_shape(self, fields_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, F, num_heads head_dim]`."""
        return (*fields_shape[:2], self.num_heads * self.head_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_heads": self.num_heads,
            "head_dim": self.head_dim,
            "dropout": self.dropout,
        }
        return {**super().get_config(), **config}
