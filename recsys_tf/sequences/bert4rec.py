"""Self-attention that looks both ways."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.sequences.packed_rows import is_same_sequence
from recsys_tf.sequences.sasrec import SASRec
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class BERT4Rec(SASRec):
    """Lets each event look at all events of its row, the later ones as well.

    The blocks are those of `SASRec`; only padding is forbidden to look at. A state must not be
    asked for the event that follows it, which it has seen: hide events of the history (a mask's
    vector in their place) and ask for those.

    Choose it where histories are to be filled in, or read as a whole in a tower.

    Args:
        max_length: Number of positions that are told apart, see `PositionTable`.
        num_layers: Number of blocks.
        num_heads: Heads of each block, which divide `D`.
        hidden_dim: Width of each block's feed-forward layer; None for `D`. The paper's is `4 D`.
        activation: Of the feed-forward layer.
        dropout: Share of the numbers dropped while training, as in `SASRec`.
        attention_dropout: Share of the attention weights that is dropped, see `TransformerBlock`.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1, a share is not from 0 to below 1, or `num_heads` does not
            divide `D`.

    Example:
        >>> import numpy as np
        >>> encoder = BERT4Rec(max_length=5)
        >>> encoder(np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)).shape == (3, 5, 4)
        True

    Source: Sun et al., 2019, "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
        Representations from Transformer", https://arxiv.org/abs/1904.06690, sections 3.2 to 3.4.
        The paper normalises after each part of a block, here before, and once more at the end.
    """

    is_causal = False

    def __init__(
        self,
        max_length: int = 200,
        num_layers: int = 2,
        num_heads: int = 2,
        hidden_dim: int | None = None,
        activation: Any = "gelu",
        dropout: float = 0.2,
        attention_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            max_length,
            num_layers,
            num_heads,
            hidden_dim,
            activation,
            dropout,
            attention_dropout,
            **kwargs,
        )

    def may_look(self, is_valid: Tensor, positions: Tensor | None = None) -> Tensor:
        """Tells who may look at whom, bool `[B, 1, 1, L]`: all, but nobody at padding.

        With `positions` `[B, 1, L, L]`: nor at events of another sequence.
        """
        is_event = ops.expand_dims(is_valid, (1, 2))
        if positions is None:
            return is_event
        return ops.logical_and(is_event, ops.expand_dims(is_same_sequence(positions), 1))
