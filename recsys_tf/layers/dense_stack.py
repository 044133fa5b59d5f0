"""Dense layers one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from recsys_tf.layers.shapes import check_positive, check_share
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class DenseStack(keras.layers.Layer):
    """Applies `x = dropout(activation(x W + b))` once for each width.

    Args:
        hidden_dims: Width of each layer; empty leaves the input as it is.
        activation: Name of a Keras activation, or a registered function.
        dropout: Share of each layer's units that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a width is below 1 or `dropout` is not from 0 to below 1.

    Example:
        >>> import numpy as np
        >>> DenseStack((8, 4))(np.ones([3, 5], "float32")).shape == (3, 4)
        True

    Source: Rosenblatt's multi-layer perceptron; dropout of Srivastava et al., 2014,
        https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def __init__(
        self,
        hidden_dims: Sequence[int],
        activation: Any = "relu",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dims = tuple(check_positive("hidden_dims", each) for each in hidden_dims)
        self.activation = keras.activations.get(activation)
        self.dropout = check_share("dropout", dropout)
        self.steps = []
        for index, width in enumerate(self.hidden_dims):
            self.steps.append(
                keras.layers.Dense(
                    width, self.activation, dtype=self.dtype_policy, name=f"dense_{index}"
                )
            )
            if self.dropout:
                self.steps.append(
                    keras.layers.Dropout(
                        self.dropout, dtype=self.dtype_policy, name=f"dropout_{index}"
                    )
                )

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Builds the layers for an input of known width."""
        for step in self.steps:
            step.build(inputs_shape)
            inputs_shape = step.compute_output_shape(inputs_shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Applies the layers.

        Args:
            inputs: Float `[..., D]`.
            training: Whether units are dropped.

        Returns:
            Float `[..., hidden_dims[-1]]`.
        """
        for step in self.steps:
            if isinstance(step, keras.layers.Dropout):
                inputs = step(inputs, training=training)
            else:
                inputs = step(inputs)
        return inputs

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape with the last width."""
        width = self.hidden_dims[-1] if self.hidden_dims else inputs_shape[-1]
        return (*inputs_shape[:-1], width)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "hidden_dims": list(self.hidden_dims),
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
        }
        return {**super().get_config(), **config}
