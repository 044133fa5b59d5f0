"""A gated recurrence that is linear in its state."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.layers.shapes import check_positive, check_share
from recsys_tf.sequences.linear_recurrence_block import LinearRecurrenceBlock
from recsys_tf.sequences.sequence_encoder import SequenceEncoder
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class LinearRecurrence(SequenceEncoder):
    """Remembers by decay: each number of the state fades at a rate that the event decides.

    `s = norm(block(...block(x)))`, each block a recurrence `h_l = a_l h_{l-1} + sqrt(1 - a_l^2)
    u_l` behind a gate and a feed-forward layer, see `LinearRecurrenceBlock`. As `h` enters
    linearly, sixteen steps are taken for all stretches of sixteen events at once, and then one
    step a stretch: the cost is linear in `L`, without the wait of `GRU4Rec`.

    Choose it for long histories.

    Args:
        num_layers: Number of blocks.
        hidden_dim: Width of each block's feed-forward layer; None for `D`.
        dropout: Share of what each part of a block adds that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1 or `dropout` is not from 0 to below 1.

    Example:
        >>> import numpy as np
        >>> encoder = LinearRecurrence()
        >>> encoder(np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)).shape == (3, 5, 4)
        True

    Source: De et al., 2024, "Griffin: Mixing Gated Linear Recurrences with Local Attention for
        Efficient Language Models", https://arxiv.org/abs/2402.19427, section 2.4 (RG-LRU); Yue et
        al., 2023, "Linear Recurrent Units for Sequential Recommendation" (LRURec),
        https://arxiv.org/abs/2310.02063, for such a recurrence and a feed-forward layer as the
        block of a sequential recommender. LRURec's complex decay is the same for all events, here
        it is real and each event's own.
    """

    is_packable = True

    def __init__(
        self,
        num_layers: int = 2,
        hidden_dim: int | None = None,
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.dropout = check_share("dropout", dropout)
        self.blocks = [
            LinearRecurrenceBlock(
                hidden_dim, dropout, dtype=self.dtype_policy, name=f"block_{index}"
            )
            for index in range(check_positive("num_layers", num_layers))
        ]
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=self.dtype_policy, name="norm"
        )

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the blocks."""
        super().build(events_shape, is_valid_shape)
        for block in self.blocks:
            block.build(events_shape)
        self.norm.build(events_shape)

    def encode(
        self,
        events: Tensor,
        is_valid: Tensor,
        training: bool = False,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Applies the blocks to rows without gaps; see `SequenceEncoder.encode`."""
        for block in self.blocks:
            events = block(events, training=training, positions=positions)
        return self.norm(events)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_layers": len(self.blocks),
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
        }
        return {**super().get_config(), **config}
