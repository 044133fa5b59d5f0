"""Causal self-attention."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers import TransformerBlock
from recsys_tf.layers.shapes import check_positive, check_share
from recsys_tf.sequences.packed_rows import event_distances, is_same_sequence
from recsys_tf.sequences.position_table import PositionTable
from recsys_tf.sequences.sequence_encoder import SequenceEncoder
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class SASRec(SequenceEncoder):
    """Lets each event look at itself and the ones before it, through `num_layers` blocks.

    `s = norm(block(...block(x + P)))` with learned positions `P`, where the blocks may not look at
    what comes later; see `TransformerBlock`.

    Choose it first: with a good loss it is as strong as what came after it.

    Args:
        max_length: Number of positions that are told apart, see `PositionTable`.
        num_layers: Number of blocks.
        num_heads: Heads of each block; the paper found one to be enough.
        hidden_dim: Width of each block's feed-forward layer; None for `D`, as in the paper.
        activation: Of the feed-forward layer: the paper's `relu`, or `gelu`.
        dropout: Share of the numbers dropped while training, from the events with their positions
            and from what each part of a block adds; the paper's for dense data, 0.5 for sparse.
        attention_dropout: Share of the attention weights that is dropped, see `TransformerBlock`.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1, a share is not from 0 to below 1, or `num_heads` does not
            divide `D`.

    Example:
        >>> import numpy as np
        >>> encoder = SASRec(max_length=5, num_heads=2)
        >>> encoder(np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)).shape == (3, 5, 4)
        True

    Source: Kang and McAuley, 2018, "Self-Attentive Sequential Recommendation",
        https://arxiv.org/abs/1808.09781, sections 3.1 to 3.3. The paper normalises the queries
        alone and adds the normalised ones back; here queries, keys and values are made of the
        normalised events, and the events themselves are added back.
    """

    is_packable = True

    def __init__(
        self,
        max_length: int = 200,
        num_layers: int = 2,
        num_heads: int = 1,
        hidden_dim: int | None = None,
        activation: Any = "relu",
        dropout: float = 0.2,
        attention_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length
        self.dropout = check_share("dropout", dropout)
        self.positions = PositionTable(max_length, dtype=self.dtype_policy, name="positions")
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.blocks = [
            TransformerBlock(
                num_heads,
                hidden_dim,
                activation,
                dropout,
                attention_dropout,
                dtype=self.dtype_policy,
                name=f"block_{index}",
            )
            for index in range(check_positive("num_layers", num_layers))
        ]
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=self.dtype_policy, name="norm"
        )

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the position table and the blocks."""
        super().build(events_shape, is_valid_shape)
        self.positions.build(events_shape, is_valid_shape)
        for block in self.blocks:
            block.build(events_shape, (None, 1, None, None))
        self.norm.build(events_shape)

    def may_look(self, is_valid: Tensor, positions: Tensor | None = None) -> Tensor:
        """Tells who may look at whom, bool `[1, 1, L, L]`: nobody at later events.

        The padding comes after the events, so that no event may look at it anyway. With
        `positions` `[B, 1, L, L]`: nor at events of another sequence.
        """
        distances = event_distances(is_valid)
        is_past = ops.expand_dims(distances >= 0, (0, 1))
        if positions is None:
            return is_past
        return ops.logical_and(is_past, ops.expand_dims(is_same_sequence(positions), 1))

    def encode(
        self,
        events: Tensor,
        is_valid: Tensor,
        training: bool = False,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Applies the blocks to rows without gaps; see `SequenceEncoder.encode`."""
        states = self.positions(events, is_valid, positions)
        states = self.dropout_layer(states, training=training)
        may_look = self.may_look(is_valid, positions)
        for block in self.blocks:
            states = block(states, may_look, training=training)
        return self.norm(states)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        block = self.blocks[0].get_config()
        names = ("num_heads", "hidden_dim", "activation", "dropout", "attention_dropout")
        config = {"max_length": self.max_length, "num_layers": len(self.blocks)}
        return {**super().get_config(), **config, **{name: block[name] for name in names}}
