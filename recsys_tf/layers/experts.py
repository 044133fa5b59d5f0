"""Experts of equal shape, computed together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_share, check_width
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class Experts(keras.layers.Layer):
    """Applies `E` dense stacks of equal shape at once: `y_e = f(... f(x W_e + b_e) ...)`.

    An input that all experts share is one matrix product `[B, D] x [D, E H]`; every further
    layer, and an input of its own for each expert or each group of experts, is one batched
    product. No Python loop runs over the experts, so that their number does not lengthen the
    graph. With `G` inputs `[B, G, D]`, the first `E / G` experts see the first input, the next
    `E / G` the second, and so on.

    Args:
        num_experts: Number `E` of experts.
        hidden_dims: Width of each layer of an expert.
        activation: Name of a Keras activation, or a registered function.
        dropout: Share of each layer's units that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1, `hidden_dims` is empty, `dropout` is not from 0 to below
            1, or the input is neither `[B, D]` nor `[B, G, D]` with a `G` that divides `E`.

    Example:
        >>> import numpy as np
        >>> Experts(4, (8,))(np.ones([3, 5], "float32")).shape == (3, 4, 8)
        True

    Source: Ma et al., 2018, "Modeling Task Relationships in Multi-task Learning with Multi-gate
        Mixture-of-Experts", https://doi.org/10.1145/3219819.3220007, section 4.2: the `f_i`.
    """

    def __init__(
        self,
        num_experts: int,
        hidden_dims: Sequence[int],
        activation: Any = "relu",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_experts = check_positive("num_experts", num_experts)
        self.hidden_dims = tuple(check_positive("hidden_dims", each) for each in hidden_dims)
        if not self.hidden_dims:
            raise ValueError("`hidden_dims` must hold at least one width, received none.")
        self.activation = keras.activations.get(activation)
        self.dropout = check_share("dropout", dropout)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Makes one kernel and one bias a layer, for all experts together."""
        is_shared = len(inputs_shape) == 2
        num_groups = inputs_shape[1] if len(inputs_shape) == 3 else None
        if not is_shared and (not num_groups or self.num_experts % num_groups):
            raise ValueError(
                f"`inputs` must have the shape [B, D], or [B, {self.num_experts}, D] for an input "
                f"of each expert's own, or [B, G, D] for G inputs of equal groups of the "
                f"{self.num_experts} experts, received shape {tuple(inputs_shape)}."
            )
        width = check_width("inputs", inputs_shape)
        self.kernels, self.biases = [], []
        for index, units in enumerate(self.hidden_dims):
            if index > 0:
                shape: tuple[int, ...] = (self.num_experts, width, units)
            elif num_groups:
                shape = (num_groups, width, self.num_experts // num_groups * units)
            else:
                # Expert-minor, since the input is shared: a view makes it one product.
                shape = (width, self.num_experts, units)
            # Glorot's range of ONE expert; Keras would count all experts as its inputs.
            limit = math.sqrt(6 / (width + units))
            self.kernels.append(
                self.add_weight(
                    name=f"kernel_{index}",
                    shape=shape,
                    initializer=keras.initializers.RandomUniform(-limit, limit),
                )
            )
            self.biases.append(
                self.add_weight(
                    name=f"bias_{index}", shape=(self.num_experts, units), initializer="zeros"
                )
            )
            width = units

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Applies all experts.

        Args:
            inputs: Float `[B, D]`, shared by the experts, or `[B, G, D]`, one for each group of
                `E / G` experts; `[B, E, D]` gives each its own.
            training: Whether units are dropped.

        Returns:
            Float `[B, E, H]`.
        """
        hidden = inputs
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            count, units = bias.shape
            if len(hidden.shape) == 2:
                product = ops.matmul(hidden, ops.reshape(kernel, (-1, count * units)))
            else:
                by_group = ops.matmul(ops.transpose(hidden, (1, 0, 2)), kernel)
                product = ops.reshape(ops.transpose(by_group, (1, 0, 2)), (-1, count * units))
            # A vector, which `ops.add` adds within the product; its gradient sums plain columns.
            hidden = ops.add(product, ops.reshape(bias, (-1,)))
            hidden = self.activation(ops.reshape(hidden, (-1, count, units)))
            hidden = self.dropout_layer(hidden, training=training)
        return hidden

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, E, H]`."""
        return (inputs_shape[0], self.num_experts, self.hidden_dims[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_experts": self.num_experts,
            "hidden_dims": list(self.hidden_dims),
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
        }
        return {**super().get_config(), **config}
