"""Softmax gates, computed together."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class SoftmaxGates(keras.layers.Layer):
    """Weighs a number of choices, once for each gate: `g_t = softmax(x W_t + b_t)`.

    All gates are one matrix product. The weights start at 0, so that every gate starts as the
    plain mean of its choices and no choice is starved before training begins.

    Args:
        num_gates: Number of gates, for instance one a task.
        num_choices: Number of values that each gate weighs, for instance the experts.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a number is below 1 or the input is not of rank 2.

    Example:
        >>> import numpy as np
        >>> [float(w) for w in SoftmaxGates(1, 2)(np.ones([1, 3], "float32"))[0, 0]]
        [0.5, 0.5]

    Source: Ma et al., 2018, "Modeling Task Relationships in Multi-task Learning with Multi-gate
        Mixture-of-Experts", https://doi.org/10.1145/3219819.3220007, equation 8. The bias and the
        start at 0 are this package's.
    """

    def __init__(self, num_gates: int, num_choices: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_gates = check_positive("num_gates", num_gates)
        self.num_choices = check_positive("num_choices", num_choices)

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Makes one kernel and one bias for all gates."""
        check_rank("inputs", inputs_shape, 2)
        size = self.num_gates * self.num_choices
        width = check_width("inputs", inputs_shape)
        self.kernel = self.add_weight(name="kernel", shape=(width, size), initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=(size,), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        """Computes the gates.

        Args:
            inputs: Float `[B, D]`.

        Returns:
            Float `[B, num_gates, num_choices]`; the last axis sums to 1.
        """
        logits = ops.matmul(inputs, self.kernel) + self.bias
        logits = ops.reshape(logits, (-1, self.num_gates, self.num_choices))
        # float32, since the exponential of a half-precision score loses the small weights. Through
        # the logarithm, since Keras warns of every softmax over a single choice.
        weights = ops.exp(ops.log_softmax(ops.cast(logits, "float32"), axis=-1))
        return ops.cast(weights, self.compute_dtype)

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, num_gates, num_choices]`."""
        return (inputs_shape[0], self.num_gates, self.num_choices)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"num_gates": self.num_gates, "num_choices": self.num_choices}
        return {**super().get_config(), **config}
