"""Softmax gates, computed together."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.idle import mark_idle
from recsys_tf.layers.precision import precise_softmax
from recsys_tf.layers.shapes import check_positive, check_width
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class SoftmaxGates(keras.layers.Layer):
    """Weighs a number of choices, once for each gate: `g_t = softmax(x W_t + b_t)`.

    All gates are one matrix product, or one batched product where each gate has an input of its
    own. The weights start at 0, so that every gate starts as the plain mean of its choices and no
    choice is starved before training begins.

    Args:
        num_gates: Number of gates, for instance one a task.
        num_choices: Number of values that each gate weighs, for instance the experts.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a number is below 1 or the input is neither `[B, D]` nor
            `[B, num_gates, D]`.

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
        is_own_input = len(inputs_shape) == 3 and inputs_shape[1] == self.num_gates
        if len(inputs_shape) != 2 and not is_own_input:
            raise ValueError(
                f"`inputs` must have the shape [B, D], or [B, {self.num_gates}, D] for an input "
                f"of each gate's own, received shape {tuple(inputs_shape)}."
            )
        size = self.num_gates * self.num_choices
        width = check_width("inputs", inputs_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.num_gates, width, self.num_choices) if is_own_input else (width, size),
            initializer="zeros",
        )
        self.bias = self.add_weight(name="bias", shape=(size,), initializer="zeros")
        if self.num_choices == 1:
            mark_idle(self.weights)

    def call(self, inputs: Tensor) -> Tensor:
        """Computes the gates.

        Args:
            inputs: Float `[B, D]`, shared by the gates, or `[B, num_gates, D]`, each its own.

        Returns:
            Float `[B, num_gates, num_choices]`; the last axis sums to 1.
        """
        if len(inputs.shape) == 2:
            product = ops.matmul(inputs, self.kernel)
        else:
            by_gate = ops.matmul(ops.transpose(inputs, (1, 0, 2)), self.kernel)
            size = self.num_gates * self.num_choices
            product = ops.reshape(ops.transpose(by_gate, (1, 0, 2)), (-1, size))
        logits = ops.add(product, self.bias)
        logits = ops.reshape(logits, (-1, self.num_gates, self.num_choices))
        weights = precise_softmax(logits)
        return ops.cast(weights, self.compute_dtype)

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, num_gates, num_choices]`."""
        return (inputs_shape[0], self.num_gates, self.num_choices)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"num_gates": self.num_gates, "num_choices": self.num_choices}
        return {**super().get_config(), **config}
