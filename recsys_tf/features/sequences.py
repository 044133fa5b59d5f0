"""Users' events as sequences, and batches of them in which every position is a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import tensorflow as tf

from recsys_tf.types import PADDING_INDEX, Array, IntArray, Tensor

# No tensor decides what is computed here, and rewriting the Python code takes seconds.
_as_written = tf.autograph.experimental.do_not_convert

# Lengths in a batch differ by about this share, so that each epoch puts other rows together.
_LENGTH_NOISE = 0.1


@dataclass(frozen=True, eq=False)
class Sequences:
    """Each user's events on end, oldest first; sequence `u` is `items[starts[u]:ends[u]]`.

    Attributes:
        items: int32 `[M]`, item indices; 1 is an unknown item.
        times: int64 `[M]`, seconds.
        starts: int64 `[U]`, first event of each sequence.
        ends: int64 `[U]`, the event after its last; equal to the start where there is none.
        num_unsorted: Events that stood before an earlier one of their user, and were moved.
    """

    items: IntArray
    times: IntArray
    starts: IntArray
    ends: IntArray
    num_unsorted: int = 0

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

    def take(self, rows: IntArray) -> Sequences:
        """Returns the sequences of these rows, in their order."""
        return self._cut(self.starts[rows], self.ends[rows])

    def _cut(self, starts: IntArray, ends: IntArray) -> Sequences:
        return Sequences(self.items, self.times, starts, ends, self.num_unsorted)


def make_sequences(
    users: Array,
    items: IntArray,
    timestamps: IntArray,
    names: Array,
    rows: IntArray | None = None,
    order: Literal["sort", "refuse"] = "sort",
) -> Sequences:
    """Puts events into the order of user and time; events of one second keep theirs.

    Args:
        users: `[E]`, user of each event.
        items: int `[E]`, its item's index.
        timestamps: int `[E]`, seconds since 1970.
        names: `[U]`, the users whose sequences are wanted, each once.
        rows: int `[n]`, positions of the events that are used; None takes all.
        order: `sort` sorts events that do not stand in the order of time, and counts them;
            `refuse` raises.

    Returns:
        `U` sequences in the order of `names`; events of others are left out.

    Raises:
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
    index = pd.Index(names)
    if not index.is_unique:
        raise ValueError(
            f"`names` must hold each user once, {index[index.duplicated()][0]!r} is twice."
        )
    rows = np.arange(len(users)) if rows is None else np.sort(np.asarray(rows, np.int64))
    codes = index.get_indexer(np.asarray(users)[rows])
    rows, codes = rows[codes >= 0], codes[codes >= 0]
    times = np.asarray(timestamps, np.int64)[rows]
    by_user = np.argsort(codes, kind="stable")
    is_back = (np.diff(times[by_user]) < 0) & (np.diff(codes[by_user]) == 0)
    num_unsorted = int(is_back.sum())
    if num_unsorted and order == "refuse":
        raise ValueError(
            f"`timestamps` must not fall within a user's events, {num_unsorted:,} do, the first of "
            f"user {names[codes[by_user[np.flatnonzero(is_back)[0]]]]!r}; sort the events, or give "
            "`order='sort'`."
        )
    places = np.lexsort((times, codes))
    bounds = np.searchsorted(codes[places], np.arange(len(index) + 1)).astype(np.int64)
    found = np.asarray(items)[rows][places].astype(np.int32)
    return Sequences(found, times[places], bounds[:-1], bounds[1:], num_unsorted)


def make_sequence_dataset(
    sequences: Sequences,
    max_length: int,
    batch_size: int,
    seed: int,
    *,
    windows: Literal["newest", "all"] = "newest",
    mask_index: int | None = None,
    masked_share: float = 0.2,
) -> tf.data.Dataset:
    """Makes training batches `(features, labels)` in which every position is a question.

    Rows of like length stand together, as many as have `batch_size * max_length` positions with
    their padding, so that short histories cost little and a step's memory is bounded. The order
    is drawn anew in each epoch and equally in each run.

    Args:
        sequences: The users' training events; those with fewer than two have no question.
        max_length: Events that are read at once, the newest.
        batch_size: Rows a batch, where all are of full length.
        seed: Draws the order, and what is masked.
        windows: `newest` has a row a user, `all` as many as its events fill.
        mask_index: None asks at each position for the item that comes next, which the features do
            not show yet. An index asks for items that it takes the place of in the features.
        masked_share: Share of the positions that are asked for with a `mask_index`; in half of
            the rows the last one as well, which is what will be asked when it serves.

    Returns:
        A dataset of known length: `{"items": int32 [B, L]}` and labels int32 `[B, L]`, the items
        asked for; 0 where there is no question.

    Raises:
        ValueError: If a size is below 1, or no sequence has two events.
    """
    for name, value in (("max_length", max_length), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"`{name}` must be 1 or more, received {value}.")
    rows = sequences.windows(max_length) if windows == "all" else sequences.newest(max_length + 1)
    rows = rows.take(np.flatnonzero(rows.lengths > 1))
    if not len(rows):
        raise ValueError(
            f"`sequences` must hold one of two events or more, received {sequences!r} without any."
        )
    read = _WindowReader(rows)

    @_as_written
    def batch(chosen: Tensor, drawn: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        events = read(chosen)
        if mask_index is None:
            return {"items": events[:, :-1]}, events[:, 1:]
        return _masked(events[:, -max_length:], mask_index, masked_share, tf.stack([drawn, seed]))

    order = _rows_of_like_length(rows.lengths, batch_size * max_length, seed)
    return order.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


class _WindowReader:
    """Gathers windows as int32 `[B, L]`, `L` the longest, aligned at the left, then 0."""

    def __init__(self, rows: Sequences) -> None:
        with tf.device("CPU:0"):
            self.items, self.starts, self.ends = map(
                tf.constant, (rows.items, rows.starts, rows.ends)
            )

    def __call__(self, rows: Tensor) -> Tensor:
        places = tf.ragged.range(tf.gather(self.starts, rows), tf.gather(self.ends, rows))
        return places.with_values(tf.gather(self.items, places.values)).to_tensor(PADDING_INDEX)


def _masked(
    events: Tensor, mask_index: int, share: float, seed: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    is_event = tf.not_equal(events, PADDING_INDEX)
    place = tf.cumsum(tf.cast(is_event, tf.int32), axis=1)
    is_last = is_event & (place == tf.reduce_max(place, axis=1, keepdims=True))
    drawn = tf.random.stateless_uniform(tf.shape(events), seed)
    of_rows = tf.random.stateless_uniform([tf.shape(events)[0], 1], seed + 1)
    is_asked = is_event & ((drawn < share) | (is_last & (of_rows < 0.5)))
    return {"items": tf.where(is_asked, mask_index, events)}, tf.where(is_asked, events, 0)


def _rows_of_like_length(lengths: IntArray, num_positions: int, seed: int) -> tf.data.Dataset:
    """Makes batches of row positions, int64 `[B]`, each with a number drawn for it."""
    bounds = _group_bounds(np.sort(lengths), num_positions)
    num_groups = len(bounds) - 1
    logs = np.log(lengths).astype(np.float32)

    def draw(epoch_seed: Tensor) -> tuple[Tensor, Tensor]:
        pair = tf.stack([epoch_seed, seed])
        noise = tf.random.stateless_uniform([len(logs)], pair, maxval=_LENGTH_NOISE)
        groups = tf.random.experimental.stateless_shuffle(tf.range(num_groups), pair + 1)
        return tf.argsort(tf.constant(logs) + noise, stable=True), groups

    @_as_written
    def cut(
        state: tuple[Tensor, Tensor], place_and_seed: tuple[Tensor, Tensor]
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        place, epoch_seed = place_and_seed
        order, groups = tf.cond(place == 0, lambda: draw(epoch_seed), lambda: state)
        group = groups[place]
        start, end = tf.gather(bounds, group), tf.gather(bounds, group + 1)
        return (order, groups), (tf.ensure_shape(order[start:end], [None]), epoch_seed)

    numbers = tf.data.Dataset.zip(
        (
            tf.data.Dataset.range(num_groups),
            tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True),
        )
    )
    nothing = tf.zeros([0], tf.int32)
    return numbers.scan((nothing, nothing), cut)


def _group_bounds(lengths: IntArray, num_positions: int) -> IntArray:
    """Cuts ascending lengths into groups whose rows, padded, have at most `num_positions`.

    Example:
        >>> _group_bounds(np.array([1, 1, 1, 2, 5]), num_positions=4).tolist()
        [0, 2, 4, 5]
    """
    bounds = [len(lengths)]
    while bounds[-1] > 0:
        # From the longest on, which says what the group's rows are padded to.
        num_rows = max(1, num_positions // int(lengths[bounds[-1] - 1]))
        bounds.append(max(0, bounds[-1] - num_rows))
    return np.array(bounds[::-1], np.int32)


def make_question_dataset(
    histories: Sequences,
    items: IntArray,
    max_length: int,
    batch_size: int,
    *,
    mask_index: int | None = None,
) -> tf.data.Dataset:
    """Makes batches that ask one question a row: which item came after the history?

    Args:
        histories: What is known, one a row; an empty one is asked about nothing.
        items: int `[U]`, the item that each is asked for.
        max_length: Events that are read, the newest.
        batch_size: Rows a batch.
        mask_index: None asks at the last event; an index puts itself after it and asks there.

    Returns:
        A dataset of known length: `{"items": int32 [B, L]}` and labels int32 `[B, L]`, one a row
        but for an empty history, in the order of length.

    Raises:
        ValueError: If there is not one item for each history, or a size is below 1.
    """
    if len(histories) != len(items) or min(max_length, batch_size) < 1:
        raise ValueError(
            "`items` must be one for each of `histories`, and `max_length` and `batch_size` 1 or "
            f"more, received {len(items)} for {len(histories)}, {max_length} and {batch_size}."
        )
    cut = histories.newest(max_length)
    order = np.argsort(cut.lengths, kind="stable")
    read = _WindowReader(cut.take(order))
    with tf.device("CPU:0"):
        asked = tf.constant(np.asarray(items, np.int32)[order])

    @_as_written
    def batch(start: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        rows = tf.range(start, tf.minimum(start + batch_size, len(order)))
        events = read(rows)
        length = tf.reduce_sum(tf.cast(tf.not_equal(events, PADDING_INDEX), tf.int32), axis=1)
        place = length - 1
        if mask_index is not None:
            events = tf.pad(events, [[0, 0], [0, 1]])
            place = length
            events += mask_index * tf.one_hot(place, tf.shape(events)[1], dtype=tf.int32)
        at_place = tf.one_hot(place, tf.shape(events)[1], dtype=tf.int32)
        return {"items": events}, at_place * tf.gather(asked, rows)[:, tf.newaxis]

    starts = tf.data.Dataset.range(0, len(order), batch_size)
    return starts.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
