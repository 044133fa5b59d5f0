"""Rows of events moved to the left and back, so that no block has to skip a gap."""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from recsys_tf.types import Tensor


def align_left(is_valid: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Moves each row's valid positions to its beginning, in their order.

    Costs nothing to speak of where no row has padding before an event, as histories come; only
    then is anything moved.

    Args:
        is_valid: Bool `[B, L]`, True at events; padding may stand anywhere.
        *tensors: `[B, L, D]` or `[B, L]`, what stands at the positions.

    Returns:
        `is_valid` and the tensors with all padding after the events.

    Example:
        >>> import numpy as np
        >>> is_valid = np.array([[False, True, False, True]])
        >>> valid, moved = align_left(is_valid, np.array([[1, 2, 3, 4]]))
        >>> np.asarray(valid).tolist(), np.asarray(moved)[0, :2].tolist()
        ([[True, True, False, False]], [2, 4])
    """
    tensors = tuple(ops.convert_to_tensor(each) for each in tensors)

    def move() -> Sequence[Tensor]:
        length = ops.shape(is_valid)[1]
        places = ops.expand_dims(ops.arange(length, dtype="int32"), 0)
        # Each key once, so that it does not matter whether a backend's sort is a stable one.
        order = ops.argsort(places + length * ops.cast(ops.logical_not(is_valid), "int32"), axis=1)
        count = ops.sum(ops.cast(is_valid, "int32"), axis=1, keepdims=True)
        return [places < count, *(_take(each, order) for each in tensors)]

    return tuple(ops.cond(has_gaps(is_valid), move, lambda: [is_valid, *tensors]))


def align_back(is_valid: Tensor, states: Tensor) -> Tensor:
    """Puts the states of events moved by `align_left` where the events stood.

    Args:
        is_valid: Bool `[B, L]`, as it was given to `align_left`.
        states: Float `[B, L, D]`, a state for each moved event.

    Returns:
        Float `[B, L, D]`; anything at padding.
    """

    def move() -> Tensor:
        places = ops.cumsum(ops.cast(is_valid, "int32"), axis=1) - 1
        return _take(states, ops.maximum(places, 0))

    return ops.cond(has_gaps(is_valid), move, lambda: states)


def has_gaps(is_valid: Tensor) -> Tensor:
    """Returns a bool scalar: whether any row has padding before an event."""
    return ops.any(ops.logical_and(is_valid[:, 1:], ops.logical_not(is_valid[:, :-1])))


def _take(values: Tensor, index: Tensor) -> Tensor:
    """`values[b, index[b, l]]`: one gather of rows; along an axis it would index each number."""
    num_rows, length = ops.shape(values)[0], ops.shape(values)[1]
    first = ops.expand_dims(ops.arange(num_rows, dtype="int32") * length, 1)
    flat = ops.reshape(values, (-1, *values.shape[2:]))
    return ops.reshape(
        ops.take(flat, ops.reshape(index + first, (-1,)), axis=0), (-1, length, *values.shape[2:])
    )
