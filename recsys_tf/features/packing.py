"""Several sequences in one row, so that rows of one length hold hardly any padding."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from recsys_tf.features.user_sequences import Sequences
from recsys_tf.types import IntArray

POSITIONS = "positions"
ASKED = "asked"


def pack_rows(lengths: IntArray, capacity: int, seed: int) -> IntArray:
    """Puts sequences into rows of at most `capacity` events: best fit, the longest first.

    Each goes into the row with the least room that is enough for it, or into a new one. All
    sequences of one length and all rows of one room are handled at once, so that the time follows
    the number of different lengths and rooms, and hardly that of the sequences.

    Args:
        lengths: int `[U]`, from 1 to `capacity`.
        capacity: Events a row holds.
        seed: Draws which of the sequences of one length go together.

    Returns:
        int64 `[U]`, the row of each sequence; rows count from 0.

    Example:
        >>> pack_rows(np.array([3, 4, 1, 2]), capacity=5, seed=0).tolist()
        [1, 0, 0, 1]

    Source: Johnson et al., 1974, "Worst-Case Performance Bounds for Simple One-Dimensional Packing
        Algorithms", https://doi.org/10.1137/0203025 (best fit decreasing: at most 11/9 of the
        fewest rows possible, and 4 more).
    """
    order = np.random.default_rng(seed).permutation(len(lengths))
    order = order[np.argsort(-lengths[order], kind="stable")]
    firsts = np.flatnonzero(np.diff(lengths[order], prepend=0))
    row_of = np.empty(len(lengths), np.int64)
    num_rows, by_room = 0, dict[int, IntArray]()
    for members in np.split(order, firsts[1:]) if len(order) else ():
        length = int(lengths[members[0]])
        while len(members):
            room = min((each for each in by_room if each >= length), default=None)
            if room is None:
                room, num_new = capacity, -(-len(members) // (capacity // length))
                by_room[room] = np.arange(num_rows, num_rows + num_new)
                num_rows += num_new
            rows = by_room.pop(room)
            num_placed = min(len(rows), len(members))
            filled, rest = rows[:num_placed], rows[num_placed:]
            row_of[members[:num_placed]] = filled
            members = members[num_placed:]
            for left, those in ((room, rest), (room - length, filled)):
                if left and len(those):
                    by_room[left] = np.concatenate([by_room.get(left, those[:0]), those])
    return row_of


def packed_columns(
    sequences: Sequences, columns: Iterable[str], capacity: int, num_unread: int, seed: int
) -> tuple[dict[str, IntArray], IntArray, IntArray]:
    """Copies the events of sequences so that those of a packed row stand on end.

    Args:
        sequences: Of `num_unread + 1` to `num_unread + capacity` events each.
        columns: Names of what is copied beside the items, see `Sequences.columns`.
        capacity: Events a row holds.
        num_unread: How many of each sequence's newest events are left out: 1 where each event's
            question is the item that comes next, which then stands beside it.
        seed: See `pack_rows`.

    Returns:
        `[M]` by name: `items` and the `columns`, `positions`, int32, each event's place in its own
        sequence, and with an unread event `asked`, the item that comes next; and the rows' `starts`
        and `ends` among them, int64 `[R]`.
    """
    lengths = sequences.lengths - num_unread
    row_of = pack_rows(lengths, capacity, seed)
    order = np.argsort(row_of, kind="stable")
    lengths = lengths[order]
    begins = np.cumsum(lengths) - lengths
    positions = np.arange(lengths.sum()) - np.repeat(begins, lengths)
    places = positions + np.repeat(sequences.starts[order], lengths)
    events = sequences.columns(("items", *columns))
    found = {name: column[places] for name, column in events.items()}
    if num_unread:
        found[ASKED] = events["items"][places + 1]
    found[POSITIONS] = positions.astype(np.int32)
    ends = np.cumsum(np.bincount(row_of[order], weights=lengths).astype(np.int64))
    return found, np.append(0, ends[:-1]), ends
