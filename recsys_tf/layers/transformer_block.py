"""Self-attention and a feed-forward layer over the positions of a sequence."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.built_dense import built_dense
from recsys_tf.layers.by_head import by_head
from recsys_tf.layers.shapes import check_positive, check_rank, check_share, check_width
from recsys_tf.types import Tensor

# Large, and finite: minus infinity would make NaN of a row in which nothing may be looked at.
FORBIDDEN = -1e9


@keras.saving.register_keras_serializable(package="recsys_tf")
class TransformerBlock(keras.layers.Layer):
    """Applies `x = x + attention(norm(x))` and `x = x + feed_forward(norm(x))`.

    In each head `attention(x)_l = sum_m a_lm x_m V` with `a_lm = softmax_m(x_l Q . x_m K / sqrt(d)
    )` over the positions `m` that `l` may look at. `feed_forward(x) = f(x W1 + b1) W2 + b2`.
    One product makes queries, keys and values of all heads.

    Normalisation comes before each part ("pre-norm"): it trains without a warm-up.

    Args:
        num_heads: Number of heads, which divides `D`.
        hidden_dim: Width of the feed-forward layer; None for `D`.
        activation: The function `f`: a name of a Keras activation, or a registered function.
        dropout: Share of each part's outputs that is dropped while training.
        attention_dropout: Share of the attention weights that is dropped while training. Drawing
            `[B, num_heads, L, L]` numbers costs more than the attention itself.
        num_states: How many of the first positions come out, having looked at all; None for all.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1, a share is not from 0 to below 1, `num_heads` does not
            divide `D`, or the inputs are not `[B, L, D]` with known `D`.

    Example:
        >>> import numpy as np
        >>> block, may_look = TransformerBlock(num_heads=2), np.ones([1, 1, 5, 5], bool)
        >>> block(np.ones([3, 5, 4], "float32"), may_look).shape == (3, 5, 4)
        True

    Source: Vaswani et al., 2017, "Attention Is All You Need", https://arxiv.org/abs/1706.03762,
        section 3.2; Xiong et al., 2020, "On Layer Normalization in the Transformer Architecture",
        https://arxiv.org/abs/2002.04745, figure 1b, for where the norms stand.
    """

    def __init__(
        self,
        num_heads: int = 1,
        hidden_dim: int | None = None,
        activation: Any = "relu",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_states: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_positive("num_heads", num_heads)
        self.hidden_dim = None if hidden_dim is None else check_positive("hidden_dim", hidden_dim)
        self.activation = keras.activations.get(activation)
        self.dropout = check_share("dropout", dropout)
        self.attention_dropout = check_share("attention_dropout", attention_dropout)
        self.num_states = None if num_states is None else check_positive("num_states", num_states)
        self.dropouts = {
            name: keras.layers.Dropout(share, dtype=self.dtype_policy, name=name)
            for name, share in (
                ("attention_dropout", self.attention_dropout),
                ("attended_dropout", self.dropout),
                ("forward_dropout", self.dropout),
            )
            if share
        }
        self.norms = [
            keras.layers.LayerNormalization(epsilon=1e-6, dtype=self.dtype_policy, name=name)
            for name in ("attention_norm", "forward_norm")
        ]

    def build(
        self, inputs_shape: tuple[int | None, ...], may_look_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the weights for vectors of width `D`."""
        check_rank("inputs", inputs_shape, 3)
        check_rank("may_look", may_look_shape, 4)
        width = check_width("inputs", inputs_shape)
        if width % self.num_heads:
            raise ValueError(
                f"`num_heads` must divide the width of the events, received {self.num_heads} for "
                f"the width {width}."
            )
        for norm in self.norms:
            norm.build(inputs_shape)
        # Glorot's range of ONE of the three; Keras would count all three as its outputs.
        limit = math.sqrt(6 / (2 * width))
        uniform = keras.initializers.RandomUniform(-limit, limit)
        self.attention_kernel = self.add_weight(
            name="attention_kernel", shape=(width, 3 * width), initializer=uniform
        )
        self.attention_bias = self.add_weight(
            name="attention_bias", shape=(3 * width,), initializer="zeros"
        )
        self.joining = built_dense(width, inputs_shape, "joining", self.dtype_policy)
        hidden = self.hidden_dim or width
        self.expansion = built_dense(
            hidden, inputs_shape, "expansion", self.dtype_policy, self.activation
        )
        self.contraction = built_dense(
            width, (*inputs_shape[:-1], hidden), "contraction", self.dtype_policy
        )

    def call(self, inputs: Tensor, may_look: Tensor, training: bool = False) -> Tensor:
        """Lets the positions look at each other.

        Args:
            inputs: Float `[B, L, D]`.
            may_look: Bool, `[B, num_heads, L, L]` or with a 1 for any of these sizes but the
                last: whether position `l` (third axis) may look at position `m` (last axis).
            training: Whether outputs are dropped.

        Returns:
            Float `[B, L, D]`, or `[B, num_states, D]`.
        """
        attended = self._attend(self.norms[0](inputs), may_look, training)
        inputs = inputs if self.num_states is None else inputs[:, : self.num_states]
        inputs = inputs + self._drop("attended_dropout", attended, training)
        forward = self.contraction(self.expansion(self.norms[1](inputs)))
        return inputs + self._drop("forward_dropout", forward, training)

    def _attend(self, inputs: Tensor, may_look: Tensor, training: bool) -> Tensor:
        joint = ops.matmul(inputs, self.attention_kernel) + self.attention_bias
        query, key, value = (by_head(each, self.num_heads) for each in ops.split(joint, 3, axis=-1))
        if self.num_states is not None:
            query = query[:, :, : self.num_states]
        # The root's share to the queries: they are L times fewer than the scores.
        query = query / math.sqrt(query.shape[-1])
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        # float32, since the exponential of a half-precision score loses the small weights. Selected
        # and not added to: TensorFlow would join product and sum into one operation of oneDNN's,
        # which takes a thousand times as long where the sum has to be spread over the batch.
        scores = ops.where(may_look, ops.cast(scores, "float32"), FORBIDDEN)
        if scores.shape[-1] == 1:
            weights = ops.ones_like(scores)  # Keras warns of a softmax over a single position.
        else:
            weights = ops.softmax(scores, axis=-1)
        weights = self._drop("attention_dropout", ops.cast(weights, self.compute_dtype), training)
        attended = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        shape = (ops.shape(inputs)[0], ops.shape(attended)[1], inputs.shape[-1])
        return self.joining(ops.reshape(attended, shape))

    def _drop(self, name: str, values: Tensor, training: bool) -> Tensor:
        return self.dropouts[name](values, training=training) if name in self.dropouts else values

    def compute_output_shape(
        self, inputs_shape: tuple[int | None, ...], may_look_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `[B, L, D]`, or `[B, num_states, D]`."""
        length = inputs_shape[1] if self.num_states is None else self.num_states
        return (inputs_shape[0], length, inputs_shape[2])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "num_states": self.num_states,
        }
        return {**super().get_config(), **config}
