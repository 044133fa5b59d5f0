"""Recurrent networks, layer after layer, over rows without gaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_share, check_width
from recsys_tf.sequences.sequence_encoder import SequenceEncoder
from recsys_tf.types import Tensor

Parts = tuple[Tensor, ...]


class Recurrent(SequenceEncoder):
    """Hands a state from event to event: `s_l = step(x_l W + b, s_{l-1})`, `num_layers` times.

    The product with `W` is one for all events; only what needs the last state is done event by
    event. A subclass says how many gates there are (`num_gates`) and how many parts the state has
    (`num_parts`, of which the first is the output), makes its weights and defines `step`.

    Args:
        num_layers: Number of layers, each over the states of the one before.
        dropout: Share of each layer's inputs that is dropped while training.
        **kwargs: Arguments of every Keras layer.
    """

    num_gates = 1
    num_parts = 1

    def __init__(self, num_layers: int = 1, dropout: float = 0.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_layers = check_positive("num_layers", num_layers)
        self.dropout = check_share("dropout", dropout)
        # TensorFlow's loop keeps its states in lists whose length XLA does not know.
        self.supports_jit = keras.backend.backend() != "tensorflow"
        self.dropout_layer = None
        if self.dropout:
            self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Makes each layer's weights for vectors of width `D`."""
        super().build(events_shape, is_valid_shape)
        width = check_width("events", events_shape)
        shape = (width, self.num_gates * width)
        self.kernels, self.recurrent_kernels, self.biases = [], [], []
        for index in range(self.num_layers):
            self.kernels.append(
                self.add_weight(name=f"kernel_{index}", shape=shape, initializer="glorot_uniform")
            )
            self.recurrent_kernels.append(
                self.add_weight(
                    name=f"recurrent_kernel_{index}", shape=shape, initializer="orthogonal"
                )
            )
            self.biases.append(
                self.add_weight(name=f"bias_{index}", shape=shape[1:], initializer="zeros")
            )

    def step(self, index: int, width: int) -> Callable[[Parts, Tensor], Parts]:
        """Returns layer `index`'s step: the state's parts, inputs `[B, gates D]` -> its parts."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `step`.")

    def recurrent_kernel(self, index: int) -> Tensor:
        """Returns layer `index`'s recurrent kernel as a tensor, read once for all steps.

        A variable would be read, and kept for the gradient, in each step.
        """
        kernel = ops.cast(self.recurrent_kernels[index], self.compute_dtype)
        return ops.reshape(kernel, self.recurrent_kernels[index].shape)

    def encode(self, events: Tensor, is_valid: Tensor, training: bool = False) -> Tensor:
        """Runs over rows without gaps; see `SequenceEncoder.encode`."""
        width = events.shape[-1]
        # Time first, once for all layers: the loop then reads and writes whole blocks.
        states = ops.transpose(events, (1, 0, 2))
        for index in range(self.num_layers):
            if self.dropout_layer is not None:
                states = self.dropout_layer(states, training=training)
            inputs = ops.matmul(states, self.kernels[index]) + self.biases[index]
            states = _scan(self.step(index, width), inputs, (self.num_parts, width))
        return ops.transpose(states, (1, 0, 2))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"num_layers": self.num_layers, "dropout": self.dropout}
        return {**super().get_config(), **config}


def _scan(step: Callable[[Parts, Tensor], Parts], inputs: Tensor, parts: tuple[int, int]) -> Tensor:
    num_parts, width = parts
    initial = (ops.zeros((ops.shape(inputs)[1], width), dtype=inputs.dtype),) * num_parts

    def both(state: Parts, inputs: Tensor) -> tuple[Parts, Parts]:
        state = step(state, inputs)
        return state, state  # What is carried on is what is kept: TensorFlow's scan wants it so.

    return ops.scan(both, initial, inputs)[1][0]
