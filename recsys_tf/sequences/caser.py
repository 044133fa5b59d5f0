"""Convolutions over the newest few events, as over a picture."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_share, check_width
from recsys_tf.sequences.causal_convolution import convolve, convolve_packed
from recsys_tf.sequences.packed_rows import shifted
from recsys_tf.sequences.sequence_encoder import SequenceEncoder
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class Caser(SequenceEncoder):
    """Reads the newest `window` events by patterns of events and by weighted sums of them.

    `s_l = relu([o_1; ...; o_w; v_1; ...; v_K] W + b)` over `E_l`, the events `l - w + 1` to `l`
    with zeros before the first. A horizontal filter of height `h` tells how well a pattern of `h`
    events fits at its best place, `o_h = max_i relu(E_l[i : i + h] . F_h + c_h)`; a vertical one
    is a sum of the window's events with learned weights, `v_k = sum_j a_kj E_l[j]`.

    Choose it where the last few events say it all.

    Args:
        window: Number `w` of newest events that a state is made of; the paper's is 5 to 9.
        num_horizontal: Filters of each height from 1 to `window`.
        num_vertical: Number `K` of vertical filters.
        dropout: Share of the filters' answers that is dropped while training. Only the
            horizontal ones': the vertical sums go with their part of `W` as one convolution.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1 or `dropout` is not from 0 to below 1.

    Example:
        >>> import numpy as np
        >>> Caser()(np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)).shape == (3, 5, 4)
        True

    Source: Tang and Wang, 2018, "Personalized Top-N Sequential Recommendation via Convolutional
        Sequence Embedding", https://arxiv.org/abs/1809.07426, equations 3 to 9. The paper gives
        one window one state; here a window ends at each event, so that each position has the
        state which the paper would give it. The user's embedding beside the state is left to the
        model.
    """

    is_packable = True

    def __init__(
        self,
        window: int = 5,
        num_horizontal: int = 16,
        num_vertical: int = 4,
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.window = check_positive("window", window)
        self.num_horizontal = check_positive("num_horizontal", num_horizontal)
        self.num_vertical = check_positive("num_vertical", num_vertical)
        self.dropout = check_share("dropout", dropout)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the filters and the joining layer for vectors of width `D`."""
        super().build(events_shape, is_valid_shape)
        width = check_width("events", events_shape)
        self.horizontal_kernels = [
            self.add_weight(
                name=f"horizontal_kernel_{height}",
                shape=(height, width, self.num_horizontal),
                initializer="glorot_uniform",
            )
            for height in range(1, self.window + 1)
        ]
        num_patterns = self.window * self.num_horizontal
        self.horizontal_bias = self.add_weight(
            name="horizontal_bias", shape=(num_patterns,), initializer="zeros"
        )
        self.vertical_kernel = self.add_weight(
            name="vertical_kernel",
            shape=(self.num_vertical, self.window),
            initializer="glorot_uniform",
        )
        self.joining_kernel = self.add_weight(
            name="joining_kernel",
            shape=(num_patterns + self.num_vertical * width, width),
            initializer="glorot_uniform",
        )
        self.joining_bias = self.add_weight(
            name="joining_bias", shape=(width,), initializer="zeros"
        )

    def encode(
        self,
        events: Tensor,
        is_valid: Tensor,
        training: bool = False,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Applies the filters at each event; see `SequenceEncoder.encode`."""
        windows = ops.pad(events, ((0, 0), (self.window - 1, 0), (0, 0)))
        if positions is None:
            patterns = self._patterns(windows)
        else:
            patterns = self._packed_patterns(events, positions)
        patterns = self.dropout_layer(patterns, training=training)
        num_patterns = self.window * self.num_horizontal
        of_patterns = ops.matmul(patterns, self.joining_kernel[:num_patterns])
        # Sums of events and then a product with their part of `W`: one kernel [window, D, D].
        of_sums = ops.reshape(
            self.joining_kernel[num_patterns:], (self.num_vertical, -1, events.shape[-1])
        )
        kernel = ops.einsum("kj,kde->jde", self.vertical_kernel, of_sums)
        if positions is None:
            summed = convolve(windows, kernel)
        else:
            summed = convolve_packed(events, kernel, positions)
        return ops.relu(of_patterns + summed + self.joining_bias)

    def _patterns(self, windows: Tensor) -> Tensor:
        """Each filter's best answer in each window, `[B, L, window num_horizontal]`."""
        found = []
        num_rows, length = ops.shape(windows)[:2]
        shape = (num_rows, length - self.window + 1, self.num_horizontal)
        for height, kernel in enumerate(self.horizontal_kernels, start=1):
            answers = convolve(windows, kernel)
            places = self.window - height + 1
            if places > 1:
                answers = ops.max_pool(
                    answers, places, strides=1, padding="valid", data_format="channels_last"
                )
            found.append(ops.reshape(answers, shape))  # For TensorFlow's maximum of no rows.
        # After the maximum: bias and ReLU keep the order, and there are fewer numbers left.
        return ops.relu(ops.concatenate(found, axis=-1) + self.horizontal_bias)

    def _packed_patterns(self, events: Tensor, positions: Tensor) -> Tensor:
        """The same of rows of several sequences."""
        found = []
        for height, kernel in enumerate(self.horizontal_kernels, start=1):
            answers = convolve_packed(events, kernel, positions)
            best = answers
            for back in range(1, self.window - height + 1):
                # Before its sequence's first event a window holds zeros, whose answer is 0.
                best = ops.maximum(best, shifted(answers, back, positions))
            found.append(best)
        return ops.relu(ops.concatenate(found, axis=-1) + self.horizontal_bias)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "window": self.window,
            "num_horizontal": self.num_horizontal,
            "num_vertical": self.num_vertical,
            "dropout": self.dropout,
        }
        return {**super().get_config(), **config}
