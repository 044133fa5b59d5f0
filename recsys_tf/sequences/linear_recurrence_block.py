"""One block of a gated linear recurrence."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from recsys_tf.layers.built_dense import built_dense
from recsys_tf.layers.shapes import check_positive, check_rank, check_share, check_width
from recsys_tf.types import Tensor

_STRETCH = 16
"""Events of which each is reached in a step for all stretches at once."""

# The paper's `c`: how much faster than at its slowest a number may fade.
_SHARPNESS = 8.0


@keras.saving.register_keras_serializable(package="recsys_tf")
class LinearRecurrenceBlock(keras.layers.Layer):
    """Applies `x = x + (h * silu(g)) W + b` and `x = x + relu(norm(x) W1 + b1) W2 + b2`.

    `h_l = a_l h_{l-1} + sqrt(1 - a_l^2) sigmoid(i_l) v_l` with the decay
    `a_l = exp(-8 softplus(w) sigmoid(r_l))`; `r, i, v, g` are parts of one product
    `norm(x) W' + b'`. Each number of the state has its own `w`, drawn so that the slowest fading
    leaves 0.9 to 0.999 of it to the next event.

    Args:
        hidden_dim: Width of the feed-forward layer; None for `D`.
        dropout: Share of each part's outputs that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `hidden_dim` is below 1 or `dropout` is not from 0 to below 1.

    Example:
        >>> import numpy as np
        >>> LinearRecurrenceBlock()(np.ones([3, 5, 4], "float32")).shape == (3, 5, 4)
        True

    Source: De et al., 2024, https://arxiv.org/abs/2402.19427, equations 1 to 4; see
        `LinearRecurrence`. The paper's short convolution before the recurrence is left out, and
        the gates read the block's input, so that one product makes all four.
    """

    def __init__(self, hidden_dim: int | None = None, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = None if hidden_dim is None else check_positive("hidden_dim", hidden_dim)
        self.dropout = check_share("dropout", dropout)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.norms = [
            keras.layers.LayerNormalization(epsilon=1e-6, dtype=self.dtype_policy, name=name)
            for name in ("recurrence_norm", "forward_norm")
        ]

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Makes the weights for vectors of width `D`."""
        check_rank("inputs", inputs_shape, 3)
        width = check_width("inputs", inputs_shape)
        for norm in self.norms:
            norm.build(inputs_shape)
        # Glorot's range of ONE of the four; Keras would count all four as its outputs.
        limit = math.sqrt(6 / (2 * width))
        self.parts_kernel = self.add_weight(
            name="parts_kernel",
            shape=(width, 4 * width),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        self.parts_bias = self.add_weight(
            name="parts_bias", shape=(4 * width,), initializer="zeros"
        )
        self.decay = self.add_weight(name="decay", shape=(width,), initializer=_slow_decays)
        hidden = self.hidden_dim or width
        self.joining = built_dense(width, inputs_shape, "joining", self.dtype_policy)
        self.expansion = built_dense(hidden, inputs_shape, "expansion", self.dtype_policy, "relu")
        self.contraction = built_dense(
            width, (*inputs_shape[:-1], hidden), "contraction", self.dtype_policy
        )

    def call(
        self, inputs: Tensor, training: bool = False, positions: Tensor | None = None
    ) -> Tensor:
        """Runs over each row's events.

        Args:
            inputs: Float `[B, L, D]`, oldest first.
            training: Whether outputs are dropped.
            positions: Int `[B, L]`, each event's place in its own sequence: at 0 nothing is left of
                the state before. None where a row is one sequence.

        Returns:
            Float `[B, L, D]`.
        """
        joint = ops.matmul(self.norms[0](inputs), self.parts_kernel) + self.parts_bias
        rate, write, value, gate = ops.split(joint, 4, axis=-1)
        # float32: bfloat16 knows nothing between 0.996 and 1, where a long memory's decay lies.
        rate = ops.sigmoid(ops.cast(rate, "float32"))
        log_decay = -_SHARPNESS * ops.softplus(ops.cast(self.decay, "float32")) * rate
        decay = ops.exp(log_decay)
        # Not below 1e-6: the root's slope has no end at 0.
        scale = ops.sqrt(ops.maximum(1 - ops.square(decay), 1e-6))
        if positions is not None:
            decay = ops.where(ops.expand_dims(positions > 0, -1), decay, 0)
        states = linear_scan(decay, scale * ops.cast(ops.sigmoid(write) * value, "float32"))
        gated = ops.cast(states, self.compute_dtype) * ops.silu(gate)
        inputs = inputs + self._drop(self.joining(gated), training)
        forward = self.contraction(self.expansion(self.norms[1](inputs)))
        return inputs + self._drop(forward, training)

    def _drop(self, values: Tensor, training: bool) -> Tensor:
        return self.dropout_layer(values, training=training)

    def compute_output_shape(
        self, inputs_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """Returns `[B, L, D]`."""
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "hidden_dim": self.hidden_dim, "dropout": self.dropout}


def linear_scan(decay: Tensor, added: Tensor) -> Tensor:
    """Computes `h_l = decay_l h_{l-1} + added_l` with `h_{-1} = 0`, for all `l`.

    Each row is cut into stretches of sixteen events. The states of all stretches are taken as if
    each began at 0; their last ones are handed on from stretch to stretch, which is the same task
    again, a sixteenth as long; and what a stretch begins with is added to its states, faded.

    Keras's `associative_scan` does the like, but asks for the length in the graph, and there its
    recursion has no end under TensorFlow.

    Args:
        decay: Float `[B, L, D]`.
        added: Float `[B, L, D]`.

    Returns:
        Float `[B, L, D]`.
    """
    length = added.shape[1]
    if length is not None and length <= _STRETCH:
        parts = (ops.split(each, length, axis=1) for each in (decay, added))
        return ops.concatenate(_run(*parts)[1], axis=1)
    shape = ops.shape(added)
    num_stretches = (shape[1] + _STRETCH - 1) // _STRETCH
    width = added.shape[2]
    padding = ops.zeros((shape[0], num_stretches * _STRETCH - shape[1], width), added.dtype)

    def cut(values: Tensor) -> list[Tensor]:
        """Returns the first events of all stretches, then all second ones: `[B, S, D]` each."""
        padded = ops.concatenate([values, padding], axis=1)
        padded = ops.reshape(padded, (shape[0], num_stretches, _STRETCH * width))
        return ops.split(padded, _STRETCH, axis=2)

    decays, states = _run(cut(decay), cut(added))
    scan = _scan_step_by_step if length is None else linear_scan
    carried = scan(decays[-1], states[-1])
    before = ops.concatenate([ops.zeros_like(carried[:, :1]), carried[:, :-1]], axis=1)
    joined = [state + each * before for each, state in zip(decays, states, strict=True)]
    rows = ops.reshape(ops.concatenate(joined, axis=2), (shape[0], -1, width))
    return rows[:, : shape[1]]


def _run(decay: list[Tensor], added: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Takes the steps one by one; returns the products of the decays so far, and the states."""
    decays, states = decay[:1], added[:1]
    for fading, new in zip(decay[1:], added[1:], strict=True):
        states.append(fading * states[-1] + new)
        decays.append(fading * decays[-1])
    return decays, states


def _scan_step_by_step(decay: Tensor, added: Tensor) -> Tensor:
    """Does what `linear_scan` does, for a number of steps that only the running graph knows."""

    def step(state: Tensor, given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        state = given[0] * state + given[1]
        return state, state

    by_step = tuple(ops.transpose(each, (1, 0, 2)) for each in (decay, added))
    _, states = ops.scan(step, ops.zeros_like(by_step[0][0]), by_step)
    return ops.transpose(states, (1, 0, 2))


def _slow_decays(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
    """Evenly spread `w` with `exp(-8 softplus(w))` from 0.9 to 0.999, as the paper draws them."""
    softplus = -np.log(np.linspace(0.9, 0.999, shape[0])) / _SHARPNESS
    return ops.convert_to_tensor(np.log(np.expm1(softplus)), dtype)
