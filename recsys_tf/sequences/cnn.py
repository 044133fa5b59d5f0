"""Dilated causal convolutions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_share, check_width
from recsys_tf.sequences.causal_convolution import CausalConvolution
from recsys_tf.sequences.sequence_encoder import SequenceEncoder
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class CNN(SequenceEncoder):
    """Joins ever wider neighbourhoods of the past, in residual blocks of two convolutions.

    `x = x + relu(norm(conv_2r(relu(norm(conv_r(x))))))`, the dilation `r` of block `i` being
    `4^i`: `n` blocks of size `k` read the newest `1 + (k - 1) (4^n - 1)` events, 31 with two
    blocks of size 3.

    Choose it where order matters within a few dozen events: the cost is linear in `L`, and no
    position waits for another.

    Args:
        num_layers: Number of residual blocks, each of two convolutions.
        kernel_size: Number of events that a convolution joins.
        dropout: Share of what each block adds that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1 or `dropout` is not from 0 to below 1.

    Example:
        >>> import numpy as np
        >>> CNN()(np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)).shape == (3, 5, 4)
        True

    Source: Yuan et al., 2019, "A Simple Convolutional Generative Network for Next Item
        Recommendation" (NextItNet), https://arxiv.org/abs/1808.05163, section 3.3, the residual
        block of figure 3b. The dropout is this package's.
    """

    is_packable = True

    def __init__(
        self, num_layers: int = 2, kernel_size: int = 3, dropout: float = 0.2, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_layers = check_positive("num_layers", num_layers)
        self.kernel_size = check_positive("kernel_size", kernel_size)
        self.dropout = check_share("dropout", dropout)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the blocks for vectors of width `D`."""
        super().build(events_shape, is_valid_shape)
        width = check_width("events", events_shape)
        self.convolutions, self.norms = [], []
        for index in range(2 * self.num_layers):
            convolution = CausalConvolution(
                width,
                self.kernel_size,
                2**index,
                dtype=self.dtype_policy,
                name=f"convolution_{index}",
            )
            norm = keras.layers.LayerNormalization(
                epsilon=1e-6, dtype=self.dtype_policy, name=f"norm_{index}"
            )
            convolution.build(events_shape)
            norm.build(events_shape)
            self.convolutions.append(convolution)
            self.norms.append(norm)

    def encode(
        self,
        events: Tensor,
        is_valid: Tensor,
        training: bool = False,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Applies the blocks to rows without gaps; see `SequenceEncoder.encode`."""
        for index in range(self.num_layers):
            added = events
            for place in (2 * index, 2 * index + 1):
                added = self.convolutions[place](added, positions)
                added = ops.relu(self.norms[place](added))
            added = self.dropout_layer(added, training=training)
            events = events + added
        return events

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_layers": self.num_layers,
            "kernel_size": self.kernel_size,
            "dropout": self.dropout,
        }
        return {**super().get_config(), **config}
