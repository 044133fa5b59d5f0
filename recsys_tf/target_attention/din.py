"""Events weighed by how much they say of one target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from recsys_tf.layers import Dice
from recsys_tf.layers.event_dtypes import check_dtypes
from recsys_tf.layers.precision import precise_softmax
from recsys_tf.layers.shapes import check_positive
from recsys_tf.naming import look_up
from recsys_tf.target_attention.shapes import check_inputs
from recsys_tf.types import Tensor

_ACTIVATIONS = {"dice": "dice", "prelu": "prelu"}


@keras.saving.register_keras_serializable(package="recsys_tf")
class DIN(keras.layers.Layer):
    """Sums a history's events, each weighed by a small network that sees it beside the target.

    `y = sum_l a(e_l, t) e_l` over the valid events, where `a` is a network with one output over
    `[e; t; e - t; e * t]`. The weights are not made to sum to 1: a user with many events that fit
    the target gets a longer vector than one with few.

    The first layer's product is taken as `e (W_e + W_d + diag(t) W_p) + t (W_t - W_d)`, which is
    the same without writing `[B, L, 4 D]`.

    Choose it in a ranker, where one history is read for one candidate at a time.

    Args:
        hidden_dims: Widths of the network's layers; the authors' code has 80 and 40.
        activation: Of those layers: the paper's `dice`, or `prelu`.
        is_normalized: Whether the weights pass a softmax over the row's events.
        **kwargs: Arguments of every Keras layer.

    Raises:
        TypeError: If `is_valid` is no bool.
        ValueError: If a width is below 1, `hidden_dims` is empty, `activation` is not known, or
            events and target have other shapes than `[B, L, D]` and `[B, D]`.

    Example:
        >>> import numpy as np
        >>> events, is_valid = np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)
        >>> DIN()(events, is_valid, np.ones([3, 4], "float32")).shape == (3, 4)
        True

    Source: Zhou et al., 2018, "Deep Interest Network for Click-Through Rate Prediction",
        https://arxiv.org/abs/1706.06978, equation 2 and section 5.3. The paper's network reads
        `e`, `t` and their outer product; the authors' code, and this, difference and product.
    """

    def __init__(
        self,
        hidden_dims: Sequence[int] = (80, 40),
        activation: str = "dice",
        is_normalized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dims = tuple(check_positive("hidden_dims", each) for each in hidden_dims)
        if not self.hidden_dims:
            raise ValueError("`hidden_dims` must hold at least one width, received ().")
        self.activation = look_up(_ACTIVATIONS, activation, "activation")
        self.is_normalized = bool(is_normalized)

    def build(
        self,
        events_shape: tuple[int | None, ...],
        is_valid_shape: tuple[int | None, ...],
        target_shape: tuple[int | None, ...],
    ) -> None:
        """Makes the network for vectors of width `D`."""
        width = check_inputs(events_shape, is_valid_shape, target_shape)
        first, *others = self.hidden_dims
        self.kernel = self.add_weight(
            name="kernel", shape=(4 * width, first), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(first,), initializer="zeros")
        self.layers, self.bends = [], []
        before = first
        for index, units in enumerate((*others, 1)):
            layer = keras.layers.Dense(units, dtype=self.dtype_policy, name=f"dense_{index}")
            layer.build((*events_shape[:2], before))
            self.layers.append(layer)
            self.bends.append(self._bend((*events_shape[:2], before), is_valid_shape, index))
            before = units

    def _bend(
        self, shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...], index: int
    ) -> keras.layers.Layer:
        if self.activation == "dice":
            bend = Dice(dtype=self.dtype_policy, name=f"dice_{index}")
            bend.build(shape, is_valid_shape)
        else:
            bend = keras.layers.PReLU(
                alpha_initializer=keras.initializers.Constant(0.25),
                shared_axes=[1],
                dtype=self.dtype_policy,
                name=f"prelu_{index}",
            )
            bend.build(shape)
        return bend

    def attention(
        self, events: Tensor, is_valid: Tensor, target: Tensor, training: bool = False
    ) -> Tensor:
        """Returns each event's weight, float `[B, L]`; 0 at padding."""
        of_event, of_target, of_difference, of_product = ops.split(self.kernel, 4, axis=0)
        of_pairs = ops.expand_dims(target, 2) * of_product
        hidden = ops.matmul(events, of_event + of_difference + of_pairs)
        beside = ops.matmul(target, of_target - of_difference) + self.bias
        hidden = hidden + ops.expand_dims(beside, 1)
        for bend, layer in zip(self.bends, self.layers, strict=True):
            if self.activation == "dice":
                hidden = layer(bend(hidden, is_valid, training=training))
            else:
                hidden = layer(bend(hidden))
        # float32, since the exponential of a half-precision score loses the small weights.
        scores = ops.cast(ops.squeeze(hidden, axis=-1), "float32")
        if self.is_normalized:
            scores = precise_softmax(ops.where(is_valid, scores, -1e9), axis=1)
        return ops.cast(ops.where(is_valid, scores, 0.0), self.compute_dtype)

    def call(
        self, events: Tensor, is_valid: Tensor, target: Tensor, training: bool = False
    ) -> Tensor:
        """Sums each row's events for its target.

        Args:
            events: Float `[B, L, D]`.
            is_valid: Bool `[B, L]`, False at padding, which may stand anywhere.
            target: Float `[B, D]`.
            training: Whether the model is being trained; matters to Dice.

        Returns:
            Float `[B, D]`; zeros for an empty history.
        """
        check_dtypes(events, is_valid)
        events = ops.where(ops.expand_dims(is_valid, -1), events, 0)
        weights = ops.expand_dims(self.attention(events, is_valid, target, training), 1)
        return ops.squeeze(ops.matmul(weights, events), axis=1)

    def compute_output_shape(
        self,
        events_shape: tuple[int | None, ...],
        is_valid_shape: tuple[int | None, ...],
        target_shape: tuple[int | None, ...],
    ) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (events_shape[0], events_shape[2])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "hidden_dims": list(self.hidden_dims),
            "activation": self.activation,
            "is_normalized": self.is_normalized,
        }
        return {**super().get_config(), **config}
