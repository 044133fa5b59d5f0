"""Users' events as sequences, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from recsys_tf.naming import unknown_name_message
from recsys_tf.types import Array, IntArray


@dataclass(frozen=True, eq=False)
class Sequences:
    """Each user's events on end, oldest first; sequence `u` is `items[starts[u]:ends[u]]`.

    Attributes:
        items: int32 `[M]`, item indices; 1 is an unknown item.
        times: int64 `[M]`, seconds.
        starts: int64 `[U]`, first event of each sequence.
        ends: int64 `[U]`, the event after its last; equal to the start where there is none.
        num_unsorted: Events that stood before an earlier one of their user, and were moved.
        actions: int32 `[M]`, the kind of each event: 0 where it is missing, 1 an unknown kind;
            None where kinds are not told apart.
    """

    items: IntArray
    times: IntArray
    starts: IntArray
    ends: IntArray
    num_unsorted: int = 0
    actions: IntArray | None = None

    def __len__(self) -> int:
        """Returns the number of sequences."""
        return len(self.starts)

    def __repr__(self) -> str:
        """Says the sizes in one line."""
        return f"Sequences({len(self):,} of {len(self.items):,} events)"

    @property
    def lengths(self) -> IntArray:
        """Events of each sequence, int64 `[U]`."""
        return self.ends - self.starts

    def columns(self, names: Iterable[str]) -> dict[str, IntArray]:
        """Returns columns of the events by name.

        Args:
            names: Of `items`, `times` and `actions`.

        Returns:
            `[M]` each; what lies between `starts` and `ends` belongs to a sequence.

        Raises:
            ValueError: If the events have no column of that name.
        """
        known = {"items": self.items, "times": self.times}
        if self.actions is not None:
            known["actions"] = self.actions
        for name in names:
            if name not in known:
                raise ValueError(unknown_name_message("columns", name, known))
        return {name: known[name] for name in names}

    def newest(self, max_length: int) -> Sequences:
        """Returns the sequences cut to their newest `max_length` events; nothing is copied."""
        return self._cut(np.maximum(self.starts, self.ends - max_length), self.ends)

    def windows(self, max_length: int) -> Sequences:
        """Cuts each sequence into training rows of at most `max_length` questions.

        A row of `n` events asks for `n - 1` of them; the last event of a row is the first of the
        next, so that every event but a user's first is asked for once. Counted from the newest
        event, so that a rest that is shorter is the oldest.

        Args:
            max_length: Questions a row at the most.

        Returns:
            The rows, of 2 to `max_length + 1` events each.

        Example:
            >>> cut = Sequences(np.arange(6), np.arange(6), np.array([0]), np.array([6])).windows(3)
            >>> [cut.items[a:b].tolist() for a, b in zip(cut.starts, cut.ends)]
            [[2, 3, 4, 5], [0, 1, 2]]
        """
        num_windows = np.maximum(-(-(self.lengths - 1) // max_length), 0)
        of_row = np.repeat(np.arange(len(self)), num_windows)
        place = np.arange(len(of_row)) - np.repeat(
            np.cumsum(num_windows) - num_windows, num_windows
        )
        ends = self.ends[of_row] - place * max_length
        return self._cut(np.maximum(self.starts[of_row], ends - max_length - 1), ends)

    def different_items(self) -> Sequences:
        """Returns each sequence's different items, once each and in the order of their indices.

        O(M log M) time, for sequences that do not overlap; the times are 0.

        Example:
            >>> sequences = Sequences(np.array([7, 5, 7, 5]), np.arange(4), np.array([0, 3]),
            ...     np.array([3, 4]))
            >>> found = sequences.different_items()
            >>> [found.items[a:b].tolist() for a, b in zip(found.starts, found.ends)]
            [[5, 7], [5]]
        """
        owners = np.repeat(np.arange(len(self)), self.lengths)
        places = np.arange(len(owners)) + np.repeat(
            self.ends - np.cumsum(self.lengths), self.lengths
        )
        # One number that sorts like (sequence, item).
        width = int(self.items.max(initial=0)) + 1
        pairs = np.unique(owners * width + self.items[places])
        bounds = np.searchsorted(pairs, np.arange(len(self) + 1) * width)
        items = (pairs % width).astype(np.int32)
        return Sequences(items, np.zeros(len(items), np.int64), bounds[:-1], bounds[1:])

    def take(self, rows: IntArray) -> Sequences:
        """Returns the sequences of these rows, in their order."""
        return self._cut(self.starts[rows], self.ends[rows])

    def _cut(self, starts: IntArray, ends: IntArray) -> Sequences:
        return Sequences(self.items, self.times, starts, ends, self.num_unsorted, self.actions)


def make_sequences(
    users: Array,
    items: IntArray,
    timestamps: IntArray,
    names: Array,
    rows: IntArray | None = None,
    order: Literal["sort", "refuse"] = "sort",
    actions: IntArray | None = None,
) -> Sequences:
    """Puts events into the order of user and time; events of one second keep theirs.

    Args:
        users: `[E]`, user of each event.
        items: int `[E]`, its item's index.
        timestamps: int `[E]`, seconds since 1970; of any sign, before or after now.
        names: `[U]`, the users whose sequences are wanted, each once.
        rows: int `[n]`, positions of the events that are used; None takes all.
        order: `sort` sorts events that do not stand in the order of time, and counts them;
            `refuse` raises.
        actions: int `[E]`, the kind of each event; see `Sequences`.

    Returns:
        `U` sequences in the order of `names`; events of others are left out.

    Raises:
        TypeError: If `items`, `timestamps` or `actions` are not integers.
        ValueError: If the lengths differ, a name stands twice, or events are unsorted and `order`
            is `refuse`.

    Example:
        >>> found = make_sequences(
        ...     np.array(["a", "b", "a"]), np.array([5, 6, 7]), np.array([9, 1, 2]),
        ...     np.array(["b", "a"]))
        >>> found.items.tolist(), found.starts.tolist(), found.ends.tolist(), found.num_unsorted
        ([6, 7, 5], [0, 1], [1, 3], 1)
    """
    if not len(users) == len(items) == len(timestamps):
        raise ValueError(
            "`users`, `items` and `timestamps` must be of one length, received "
            f"{len(users)}, {len(items)} and {len(timestamps)}."
        )
    if actions is not None and len(actions) != len(users):
        raise ValueError(
            f"`actions` must be one for each of `users`, received {len(actions)} for {len(users)}."
        )
    _check_integers({"items": items, "timestamps": timestamps, "actions": actions})
    index = pd.Index(names)
    if not index.is_unique:
        twice = str(index.to_numpy()[index.duplicated()][0])
        raise ValueError(f"`names` must hold each user once, {twice!r} is twice.")
    rows = np.arange(len(users)) if rows is None else np.sort(np.asarray(rows, np.int64))
    codes = index.get_indexer(pd.Index(np.asarray(users)[rows]))
    rows, codes = rows[codes >= 0], codes[codes >= 0]
    times = np.asarray(timestamps, np.int64)[rows]
    by_user = np.argsort(codes, kind="stable")
    is_back = (np.diff(times[by_user]) < 0) & (np.diff(codes[by_user]) == 0)
    num_unsorted = int(is_back.sum())
    if num_unsorted and order == "refuse":
        # `str`, or NumPy 2 would show its own type's name.
        first = str(names[codes[by_user[np.flatnonzero(is_back)[0]]]])
        raise ValueError(
            f"`timestamps` must not fall within a user's events, {num_unsorted:,} do, the first of "
            f"user {first!r}; sort the events, or give "
            "`order='sort'`."
        )
    places = np.lexsort((times, codes))
    bounds = np.searchsorted(codes[places], np.arange(len(index) + 1)).astype(np.int64)
    order_of_all = rows[places]
    return Sequences(
        np.asarray(items)[order_of_all].astype(np.int32),
        times[places],
        bounds[:-1],
        bounds[1:],
        num_unsorted,
        None if actions is None else np.asarray(actions)[order_of_all].astype(np.int32),
    )


def _check_integers(columns: Mapping[str, IntArray | None]) -> None:
    for name, column in columns.items():
        if column is None or not len(column):
            continue
        dtype = np.asarray(column).dtype
        if dtype.kind not in "iu":
            raise TypeError(
                f"`{name}` must be integers, received dtype {dtype}. Ids are turned into indices "
                "by the preprocessing, see `SequenceData`; times are whole seconds."
            )
