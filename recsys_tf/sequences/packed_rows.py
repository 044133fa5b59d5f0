"""Which events of a row belong together, where it holds several sequences one after the other.

`positions`, int `[B, L]`, count each sequence's events from 0, so that a 0 begins one.
"""

from __future__ import annotations

from keras import ops

from recsys_tf.types import Tensor


def event_distances(is_valid: Tensor) -> Tensor:
    """Returns how many places event `m` stands before `l`, int32 `[L, L]` over `(l, m)`."""
    places = ops.arange(ops.shape(is_valid)[1], dtype="int32")
    return ops.expand_dims(places, 1) - ops.expand_dims(places, 0)


def sequence_numbers(positions: Tensor) -> Tensor:
    """Numbers a row's sequences.

    Args:
        positions: Int `[B, L]`, of rows without gaps.

    Returns:
        int32 `[B, L]`, equal for the events of one sequence and greater for the next one's.

    Example:
        >>> import numpy as np
        >>> np.asarray(sequence_numbers(np.array([[0, 1, 0, 1, 2]]))).tolist()
        [[1, 1, 2, 2, 2]]
    """
    return ops.cumsum(ops.cast(ops.equal(positions, 0), "int32"), axis=1)


def is_same_sequence(positions: Tensor) -> Tensor:
    """Tells whether two events are of one sequence, bool `[B, L, L]`."""
    numbers = sequence_numbers(positions)
    return ops.equal(ops.expand_dims(numbers, 2), ops.expand_dims(numbers, 1))


def shifted(values: Tensor, steps: int, positions: Tensor) -> Tensor:
    """Moves each event's values to a later one of its sequence.

    Args:
        values: Float `[B, L, D]`.
        steps: How many events later, 0 or more.
        positions: Int `[B, L]`, of rows without gaps.

    Returns:
        Float `[B, L, D]`; 0 where the sequence had not begun `steps` events before.

    Example:
        >>> import numpy as np
        >>> values = np.array([[[1.0], [2.0], [3.0], [4.0]]])
        >>> found = shifted(values, 1, np.array([[0, 1, 0, 1]]))
        >>> np.asarray(found)[0, :, 0].tolist()
        [0.0, 1.0, 0.0, 3.0]
    """
    moved = ops.pad(values, ((0, 0), (steps, 0), (0, 0)))[:, : ops.shape(values)[1]]
    return ops.where(ops.expand_dims(positions >= steps, -1), moved, 0)
