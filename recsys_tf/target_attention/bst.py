"""Self-attention over a history together with one target."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers import TransformerBlock
from recsys_tf.layers.event_dtypes import check_dtypes
from recsys_tf.layers.shapes import check_positive, check_share
from recsys_tf.target_attention.shapes import check_inputs
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class BST(keras.layers.Layer):
    """Sets the target behind a history's events, lets all look at all, and returns its state.

    `y = block(...block([x_1 + P_n; ...; x_n + P_1; t + P_0]))` at the target's place, with `P_k`
    the learned vector of `k` steps before the target. The last block makes the target's state
    only.

    Choose it in a ranker where the order of the events matters, too.

    Args:
        max_length: Steps before the target that are told apart; events farther back share the
            last one.
        num_layers: Number of blocks; the paper found one to be best.
        num_heads: Heads of each block, which divide `D`; the paper's are 8.
        hidden_dim: Width of each block's feed-forward layer; None for `D`.
        activation: Of the feed-forward layer; the paper's is `leaky_relu`.
        dropout: Share of the numbers dropped while training, from the events with their positions
            and from what each part of a block adds.
        **kwargs: Arguments of every Keras layer.

    Raises:
        TypeError: If `is_valid` is no bool.
        ValueError: If a size is below 1, `dropout` is not from 0 to below 1, `num_heads` does not
            divide `D`, or events and target have other shapes than `[B, L, D]` and `[B, D]`.

    Example:
        >>> import numpy as np
        >>> events, is_valid = np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)
        >>> BST(num_heads=2)(events, is_valid, np.ones([3, 4], "float32")).shape == (3, 4)
        True

    Source: Chen et al., 2019, "Behavior Sequence Transformer for E-commerce Recommendation in
        Alibaba", https://arxiv.org/abs/1905.06874, section 2. The paper's positions are times
        before the target, here numbers of events; it hands the states of all events on, each in
        its place, here the target's, which has looked at them; its blocks normalise after each
        part, here before.
    """

    def __init__(
        self,
        max_length: int = 200,
        num_layers: int = 1,
        num_heads: int = 2,
        hidden_dim: int | None = None,
        activation: Any = "leaky_relu",
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_length = check_positive("max_length", max_length)
        self.dropout = check_share("dropout", dropout)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.blocks = [
            TransformerBlock(
                num_heads,
                hidden_dim,
                activation,
                dropout,
                num_states=1 if index == num_layers - 1 else None,
                dtype=self.dtype_policy,
                name=f"block_{index}",
            )
            for index in range(check_positive("num_layers", num_layers))
        ]
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=self.dtype_policy, name="norm"
        )

    def build(
        self,
        events_shape: tuple[int | None, ...],
        is_valid_shape: tuple[int | None, ...],
        target_shape: tuple[int | None, ...],
    ) -> None:
        """Makes the table of steps and the blocks for vectors of width `D`."""
        width = check_inputs(events_shape, is_valid_shape, target_shape)
        self.steps = self.add_weight(
            name="steps",
            shape=(self.max_length + 1, width),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        for block in self.blocks:
            block.build((None, None, width), (None, 1, 1, None))
        self.norm.build(target_shape)

    def call(
        self, events: Tensor, is_valid: Tensor, target: Tensor, training: bool = False
    ) -> Tensor:
        """Reads each row's history for its target.

        Args:
            events: Float `[B, L, D]`, oldest first.
            is_valid: Bool `[B, L]`, False at padding, which may stand anywhere.
            target: Float `[B, D]`.
            training: Whether numbers are dropped.

        Returns:
            Float `[B, D]`; for an empty history what the target says of itself.
        """
        check_dtypes(events, is_valid)
        events = ops.where(ops.expand_dims(is_valid, -1), events, 0)
        # The target stands first, where it is found without knowing `L`: attention knows no order
        # but that of the steps' vectors.
        states = ops.concatenate([ops.expand_dims(target, 1), events], axis=1)
        is_valid = ops.pad(is_valid, ((0, 0), (1, 0)), constant_values=True)
        states = states + ops.take(self.steps, self._steps(is_valid), axis=0)
        states = self.dropout_layer(states, training=training)
        may_look = ops.expand_dims(is_valid, (1, 2))
        for block in self.blocks:
            states = block(states, may_look, training=training)
        return self.norm(ops.squeeze(states, axis=1))

    def _steps(self, is_valid: Tensor) -> Tensor:
        """Steps before the target, int `[B, 1 + L]`: 0 for it, 1 for the newest event."""
        seen = ops.cumsum(ops.cast(is_valid, "int32"), axis=1)
        steps = seen[:, -1:] - seen + 1
        steps = ops.concatenate([ops.zeros_like(steps[:, :1]), steps[:, 1:]], axis=1)
        return ops.clip(steps, 0, self.max_length)

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
        block = self.blocks[0].get_config()
        names = ("num_heads", "hidden_dim", "activation", "dropout")
        config = {"max_length": self.max_length, "num_layers": len(self.blocks)}
        return {**super().get_config(), **config, **{name: block[name] for name in names}}
