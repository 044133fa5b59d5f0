"""Batches of users' sequences in which every position is a question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import tensorflow as tf

from recsys_tf.features.ahead import as_written, made_ahead
from recsys_tf.features.packing import ASKED, POSITIONS, packed_columns
from recsys_tf.features.user_sequences import Sequences
from recsys_tf.types import PADDING_INDEX, IntArray, Tensor

# Lengths in a batch differ by about this share, so that each epoch puts other rows together.
_LENGTH_NOISE = 0.1

_ASKED_AT = "asked_at"
_SEEN = "seen"


def make_sequence_dataset(
    sequences: Sequences,
    max_length: int,
    batch_size: int,
    seed: int,
    *,
    windows: Literal["newest", "all"] = "newest",
    mask_index: int | None = None,
    masked_share: float = 0.2,
    columns: Iterable[str] = (),
    is_packed: bool = False,
) -> tf.data.Dataset:
    """Makes training batches `(features, labels)` in which every position is a question.

    Rows of like length stand together, as many as have the positions of `batch_size` full rows with
    their padding, so that short histories cost little and a step's memory is bounded. The order
    is drawn anew in each epoch and equally in each run.

    Args:
        sequences: The users' training events; those with fewer than two have no question.
        max_length: Events that are read at once, the newest. A full row has as many positions, and
            with a `mask_index` one more: that of the mask after the events, as when it serves.
        batch_size: Rows a batch, where all are of full length.
        seed: Draws the order, and what is masked.
        windows: `newest` has a row a user, `all` as many as its events fill.
        mask_index: None asks at each position for the item that comes next, which the features do
            not show yet. An index asks for items that it takes the place of in the features.
        masked_share: Share of the positions that are asked for with a `mask_index`; in half of
            the rows the last one as well, which is what will be asked when it serves.
        columns: What else the features hold of each event: `actions`, int32, and `times`, int64
            seconds. A masked event's stay there: it is the model that must not read them. And of
            each row: `asked_at`, int64 `[B]`, the time of the last item that is asked for.
        is_packed: Whether several short sequences share a row, one after the other, so that
            hardly any position is padding. The features then hold `positions`, int32 `[B, L]`,
            each event's place in its own sequence, counted from 0. Which ones share a row is
            drawn once.

    Returns:
        A dataset of known length: `{"items": int32 [B, L]}` with the `columns` beside it, and
        labels int32 `[B, L]`, the items asked for; 0 where there is no question.

    Raises:
        ValueError: If a size is below 1, no sequence has two events, they lack a column, or
            `asked_at` is wanted with a `mask_index` or of packed rows.
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
    columns = tuple(columns)
    has_request_times = _ASKED_AT in columns
    if has_request_times and mask_index is not None:
        raise ValueError(
            f"`columns` must be without {_ASKED_AT!r} where events are masked, received {columns}: "
            "they are asked for where they stand."
        )
    if has_request_times and is_packed:
        raise ValueError(
            f"`columns` must be without {_ASKED_AT!r} where rows are packed, received {columns}: "
            "it is one time a row, and a packed one asks after several sequences."
        )
    # Where nothing is masked, the last event of a row is asked for, and not read.
    num_unread = 1 if mask_index is None else 0
    capacity = max_length + 1 - num_unread
    if is_packed:
        lengths, read = _packed_reader(rows, columns, capacity, num_unread, seed)
    else:
        lengths, read = rows.lengths - num_unread, _reader(rows, columns)
    moments = _cpu_constant(rows.times[rows.ends - 1]) if has_request_times else None

    @as_written
    def batch(chosen: Tensor, drawn: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        events = read(chosen)
        if mask_index is None and is_packed:
            return events, events.pop(ASKED)
        if mask_index is None:
            features = {name: each[:, :-1] for name, each in events.items()}
            if moments is not None:
                features[_ASKED_AT] = tf.gather(moments, chosen)
            return features, events["items"][:, 1:]
        return _masked(events, mask_index, masked_share, tf.stack([drawn, seed]))

    order = _rows_of_like_length(lengths, batch_size * capacity, seed)
    return made_ahead(order.map(batch, num_parallel_calls=tf.data.AUTOTUNE))


def _cpu_constant(values: IntArray) -> Tensor:
    with tf.device("CPU:0"):
        return tf.constant(values)


class _WindowReader:
    """Gathers windows as `[B, L]` by name, `L` the longest, aligned at the left, then 0.

    Where all are empty, `L` is 1: no encoder has to know rows without a position.
    """

    def __init__(self, columns: Mapping[str, IntArray], starts: IntArray, ends: IntArray) -> None:
        self.columns = {name: _cpu_constant(each) for name, each in columns.items()}
        self.starts, self.ends = _cpu_constant(starts), _cpu_constant(ends)

    def __call__(self, rows: Tensor) -> dict[str, Tensor]:
        places = tf.ragged.range(tf.gather(self.starts, rows), tf.gather(self.ends, rows))
        shape = [-1, tf.maximum(places.bounding_shape(axis=1), 1)]
        return {
            name: places.with_values(tf.gather(column, places.values)).to_tensor(
                PADDING_INDEX, shape=shape
            )
            for name, column in self.columns.items()
        }


def _reader(rows: Sequences, columns: Iterable[str]) -> _WindowReader:
    names = ["items", *(each for each in columns if each != _ASKED_AT)]
    return _WindowReader(rows.columns(names), rows.starts, rows.ends)


def _packed_reader(
    rows: Sequences, columns: Iterable[str], capacity: int, num_unread: int, seed: int
) -> tuple[IntArray, _WindowReader]:
    events, starts, ends = packed_columns(rows, columns, capacity, num_unread, seed)
    return ends - starts, _WindowReader(events, starts, ends)


def _masked(
    features: dict[str, Tensor], mask_index: int, share: float, seed: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    events = features["items"]
    is_event = tf.not_equal(events, PADDING_INDEX)
    drawn = tf.random.stateless_uniform(tf.shape(events), seed)
    if POSITIONS in features:
        # Behind a last event begins another sequence, or the padding, which has the position 0 too.
        after = tf.pad(features[POSITIONS][:, 1:], [[0, 0], [0, 1]])
        is_last = is_event & (after == 0)
        of_rows = tf.random.stateless_uniform(tf.shape(events), seed + 1)
    else:
        place = tf.cumsum(tf.cast(is_event, tf.int32), axis=1)
        is_last = is_event & (place == tf.reduce_max(place, axis=1, keepdims=True))
        of_rows = tf.random.stateless_uniform([tf.shape(events)[0], 1], seed + 1)
    is_asked = is_event & ((drawn < share) | (is_last & (of_rows < 0.5)))
    shown = {**features, "items": tf.where(is_asked, mask_index, events)}
    return shown, tf.where(is_asked, events, 0)


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

    @as_written
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
    columns: Iterable[str] = (),
    asked_at: IntArray | None = None,
    is_seen_excluded: bool | None = None,
) -> tf.data.Dataset:
    """Makes batches that ask one question a row: which item came after the history?

    Args:
        histories: What is known, one a row; an empty one is asked about nothing.
        items: int `[U]`, the item that each is asked for.
        max_length: Events that are read, the newest.
        batch_size: Rows a batch.
        mask_index: None asks at the last event; an index puts itself after it and asks there.
        columns: See `make_sequence_dataset`; with `asked_at` that argument is needed.
        asked_at: int `[U]`, seconds, when each item is asked for.
        is_seen_excluded: Whether the items of the whole history are no rivals of the one asked
            for. True adds `seen`, int32 `[B, S]`, each item of the history once, then 0: what is
            read of a long history, and so `max_length`, does not decide who the rivals are. False
            adds an empty one, so that all items are rivals. None adds none; a model then takes
            what it reads for what was seen.

    Returns:
        A dataset of known length: `{"items": int32 [B, L]}` with the `columns` beside it, and
        labels int32 `[B, L]`, one a row but for an empty history, in the order of length.

    Raises:
        ValueError: If there is not one item for each history, a size is below 1, or the histories
            lack a column.
    """
    if len(histories) != len(items) or min(max_length, batch_size) < 1:
        raise ValueError(
            "`items` must be one for each of `histories`, and `max_length` and `batch_size` 1 or "
            f"more, received {len(items)} for {len(histories)}, {max_length} and {batch_size}."
        )
    columns = tuple(columns)
    if (_ASKED_AT in columns) != (asked_at is not None):
        raise ValueError(
            f"`asked_at` must be given exactly where `columns` name it, received "
            f"{'none' if asked_at is None else 'times'} with {columns}."
        )
    cut = histories.newest(max_length)
    seen = histories.different_items() if is_seen_excluded else None
    # Rows that have seen as many stand together too, so that one long history pads few others.
    keys = (cut.lengths,) if seen is None else (seen.lengths, cut.lengths)
    order = np.lexsort(keys)
    read = _reader(cut.take(order), columns)
    read_seen = None if seen is None else _reader(seen.take(order), ())
    asked = _cpu_constant(np.asarray(items, np.int32)[order])
    moments = None if asked_at is None else _cpu_constant(np.asarray(asked_at, np.int64)[order])

    @as_written
    def batch(start: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        rows = tf.range(start, tf.minimum(start + batch_size, len(order)))
        features = read(rows)
        is_event = tf.not_equal(features["items"], PADDING_INDEX)
        length = tf.reduce_sum(tf.cast(is_event, tf.int32), axis=1)
        place = length - 1
        if mask_index is not None:
            features = {n: tf.pad(each, [[0, 0], [0, 1]]) for n, each in features.items()}
            place = length
        at_place = tf.one_hot(place, tf.shape(features["items"])[1], dtype=tf.int32)
        if mask_index is not None:
            features["items"] += mask_index * at_place
        if moments is not None:
            features[_ASKED_AT] = tf.gather(moments, rows)
        if read_seen is not None:
            features[_SEEN] = read_seen(rows)["items"]
        elif is_seen_excluded is not None:
            features[_SEEN] = tf.fill([tf.size(rows), 1], PADDING_INDEX)
        # A mask can be asked for after no event as well, where no state could be.
        questions = tf.where(length > 0, tf.gather(asked, rows), PADDING_INDEX)
        return features, at_place * questions[:, tf.newaxis]

    starts = tf.data.Dataset.range(0, len(order), batch_size)
    return made_ahead(starts.map(batch, num_parallel_calls=tf.data.AUTOTUNE))
