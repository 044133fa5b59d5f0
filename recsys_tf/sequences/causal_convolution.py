"""A convolution that reads no later position."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.sequences.packed_rows import shifted
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class CausalConvolution(keras.layers.Layer):
    """Joins each event with those before it: `y_l = sum_j x_{l - j r} W_j + b`, `j < size`.

    Before the first event stand zeros.

    Args:
        filters: Width of the output.
        size: Number of events that are joined.
        dilation: The step `r` between them.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1 or the input is not `[B, L, D]` with known `D`.

    Example:
        >>> import numpy as np
        >>> CausalConvolution(4, size=3)(np.ones([2, 5, 6], "float32")).shape == (2, 5, 4)
        True

    Source: van den Oord et al., 2016, "WaveNet: A Generative Model for Raw Audio",
        https://arxiv.org/abs/1609.03499, section 2.1.
    """

    def __init__(self, filters: int, size: int = 3, dilation: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = check_positive("filters", filters)
        self.size = check_positive("size", size)
        self.dilation = check_positive("dilation", dilation)

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Makes the kernel; its last row belongs to the event itself."""
        check_rank("inputs", inputs_shape, 3)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.size, check_width("inputs", inputs_shape), self.filters),
            initializer="glorot_uniform",
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: Tensor, positions: Tensor | None = None) -> Tensor:
        """Convolves float `[B, L, D]` to float `[B, L, filters]`.

        Args:
            inputs: Float `[B, L, D]`.
            positions: Int `[B, L]`, each event's place in its own sequence, before which stand
                zeros; None where a row is one sequence.

        Returns:
            Float `[B, L, filters]`.
        """
        if positions is not None:
            return convolve_packed(inputs, self.kernel, positions, self.dilation) + self.bias
        before = (self.size - 1) * self.dilation
        padded = ops.pad(inputs, ((0, 0), (before, 0), (0, 0)))
        return convolve(padded, self.kernel, self.dilation) + self.bias

    def compute_output_shape(
        self, inputs_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """Returns `[B, L, filters]`."""
        return (*inputs_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"filters": self.filters, "size": self.size, "dilation": self.dilation}
        return {**super().get_config(), **config}


def convolve(inputs: Tensor, kernel: Tensor, dilation: int = 1) -> Tensor:
    """Convolves float `[B, L, D]` with a kernel `[size, D, H]`, where all of it fits.

    Args:
        inputs: Float `[B, L, D]`.
        kernel: Float `[size, D, H]`.
        dilation: Step between the positions that are joined.

    Returns:
        Float `[B, L - (size - 1) dilation, H]`.
    """
    steps = {"dilation_rate": dilation} if dilation > 1 else {}
    # The layout of all data here, whatever `keras.config` says of images.
    found = ops.conv(inputs, kernel, padding="valid", data_format="channels_last", **steps)
    # Of no rows TensorFlow makes an empty tensor of the inputs' shape.
    num_rows, length = ops.shape(inputs)[:2]
    length = length - (kernel.shape[0] - 1) * dilation
    return ops.reshape(found, (num_rows, length, kernel.shape[2]))


def convolve_packed(inputs: Tensor, kernel: Tensor, positions: Tensor, dilation: int = 1) -> Tensor:
    """Convolves each of a row's sequences by itself, with zeros before its first event.

    Args:
        inputs: Float `[B, L, D]`.
        kernel: Float `[size, D, H]`; its last row belongs to the event itself.
        positions: Int `[B, L]`, each event's place in its own sequence.
        dilation: Step between the positions that are joined.

    Returns:
        Float `[B, L, H]`.
    """
    # A product a step: a convolution's windows would have to be cut at each event's own border.
    size = kernel.shape[0]
    joined = ops.matmul(inputs, kernel[size - 1])
    for back in range(1, size):
        before = shifted(inputs, back * dilation, positions)
        joined = joined + ops.matmul(before, kernel[size - 1 - back])
    return joined
