"""Mean over the valid positions of a list, weighted by learned attention."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.precision import precise_softmax
from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class AttentionPooling(keras.layers.Layer):
    """Weighs the vectors of a list by what they are, and sums them.

    `y = n^(1 - p) sum_l a_l x_l` with `a = softmax_l(s)` over the valid positions. The score is
    additive, `s_l = q . tanh(x_l W + b)` with `W` of shape `[D, H]`, or where `hidden_dim` is
    None the product with one learned query, `s_l = q . x_l`, which costs one pass less. `n` is
    the number of valid positions and `p` the `length_power`: 1 leaves the weighted mean, 0.5
    lets a longer history speak louder. The scores start at 0, that is at the plain mean.

    Choose it over the mean where some events say more than others.

    Args:
        hidden_dim: Width `H` of the score's hidden layer; None for the learned query alone. 32
            tells kinds of items apart at a third of the cost of the embedding look-up.
        length_power: From 0 to 1, as in `MaskedMeanPooling`.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `hidden_dim` is below 1, `length_power` is outside 0 to 1, or an input has
            another rank.

    Example:
        >>> import numpy as np
        >>> events = np.array([[[2.0], [4.0], [9.0]]], "float32")
        >>> float(AttentionPooling()(events, np.array([[True, True, False]]))[0, 0])
        3.0

    Source: Yang et al., 2016, "Hierarchical Attention Networks for Document Classification",
        https://aclanthology.org/N16-1174, equations 5 to 7. Its query starts at random; here at
        0, so that training starts from the mean.
    """

    def __init__(
        self, hidden_dim: int | None = 32, length_power: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if hidden_dim is not None:
            check_positive("hidden_dim", hidden_dim)
        if not 0 <= length_power <= 1:
            raise ValueError(f"`length_power` must be from 0 to 1, received {length_power!r}.")
        self.hidden_dim = hidden_dim
        self.length_power = float(length_power)

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the score's weights for vectors of width `D`."""
        check_rank("events", events_shape, 3)
        check_rank("is_valid", is_valid_shape, 2)
        width = check_width("events", events_shape)
        if self.hidden_dim is not None:
            self.kernel = self.add_weight(
                name="kernel", shape=(width, self.hidden_dim), initializer="glorot_uniform"
            )
            self.bias = self.add_weight(name="bias", shape=(self.hidden_dim,), initializer="zeros")
        self.query = self.add_weight(
            name="query", shape=(self.hidden_dim or width,), initializer="zeros"
        )

    def attention(self, events: Tensor, is_valid: Tensor) -> Tensor:
        """Returns each position's weight, float32 `[B, L]`: sums to 1, or to 0 in an empty row."""
        hidden = events
        if self.hidden_dim is not None:
            hidden = ops.tanh(ops.matmul(events, self.kernel) + self.bias)
        scores = ops.cast(ops.matmul(hidden, self.query), "float32")
        valid = ops.cast(is_valid, "float32")
        # Large and, in float32, finite: minus infinity would make NaN of an empty row.
        scores = ops.where(ops.cast(is_valid, "bool"), scores, -1e9)
        return precise_softmax(scores, axis=1) * valid

    def call(self, events: Tensor, is_valid: Tensor) -> Tensor:
        """Pools each row's list.

        Args:
            events: Float `[B, L, D]`.
            is_valid: Bool `[B, L]`, True at the positions that count.

        Returns:
            Float `[B, D]`; zeros for a row without any valid position.
        """
        weights = self.attention(events, is_valid)
        if self.length_power != 1:
            count = ops.sum(ops.cast(is_valid, "float32"), axis=1, keepdims=True)
            weights = weights * ops.power(ops.maximum(count, 1.0), 1 - self.length_power)
        weights = ops.cast(ops.expand_dims(weights, 1), events.dtype)
        return ops.squeeze(ops.matmul(weights, events), axis=1)

    def compute_output_shape(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (events_shape[0], events_shape[2])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"hidden_dim": self.hidden_dim, "length_power": self.length_power}
        return {**super().get_config(), **config}
