"""Examples after preprocessing, in memory: computed once, then gathered batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from recsys_tf.features.actions import action_indices
from recsys_tf.features.examples import Examples, ListColumn
from recsys_tf.features.preprocessor import Preprocessor
from recsys_tf.schema import FeatureSpec, Schema
from recsys_tf.types import PADDING_INDEX, Array, IntArray, Tensor

Gather = Callable[[Tensor], dict[str, Tensor]]
"""Row positions, int64 `[B]` -> transformed tensors of these rows, by name."""

_CHUNK = 65_536

# Below it the different histories are laid out once, and a batch copies whole rows; above it a
# batch gathers event by event from the windows, which takes three times as long.
_MAX_TABLE_BYTES = 256 * 2**20


def transform_catalogue(
    catalogue: Examples, preprocessor: Preprocessor, schema: Schema
) -> dict[str, Array]:
    """Preprocesses every item once.

    Args:
        catalogue: What `catalogue_examples` returned.
        preprocessor: The preprocessing.
        schema: Features.

    Returns:
        `[N, ...]` for each item feature, in the order of the catalogue.
    """
    columns = {}
    for feature in schema.candidate_features:
        table, codes = _table_and_codes(feature, catalogue, preprocessor)
        columns[feature.name] = table if codes is None else table[codes]
    return columns


def transform_features(
    examples: Examples, preprocessor: Preprocessor, features: Iterable[FeatureSpec]
) -> Gather:
    """Preprocesses features of all rows.

    What many rows share is computed once: each different string, each user's list. A history
    stays a window on the events.

    Args:
        examples: What `make_examples` or `table_examples` returned.
        preprocessor: The preprocessing.
        features: Those of the schema that the examples hold.

    Returns:
        A function from row positions to the features of these rows, for use in a graph.
    """
    gathers = [_gather(each, examples, preprocessor) for each in features]

    def gather(rows: Tensor) -> dict[str, Tensor]:
        return {name: tensor for each in gathers for name, tensor in each(rows).items()}

    return gather


def id_indices(
    name: str, examples: Examples, preprocessor: Preprocessor, schema: Schema
) -> IntArray:
    """Returns the index of each row's user or item.

    Args:
        name: Name of the id.
        examples: Rows.
        preprocessor: The preprocessing.
        schema: Features.

    Returns:
        int64 `[len(examples)]`; 1 for an unknown one.
    """
    table, codes = _table_and_codes(schema.feature(name), examples, preprocessor)
    return np.asarray(table if codes is None else table[codes], np.int64)


@dataclass(frozen=True, eq=False)
class _Rows:
    """A tensor a row, by way of the table of the different values where that is smaller."""

    name: str
    table: Tensor
    codes: Tensor | None

    def __call__(self, rows: Tensor) -> dict[str, Tensor]:
        rows = rows if self.codes is None else tf.gather(self.codes, rows)
        return {self.name: tf.gather(self.table, rows)}


@dataclass(frozen=True, eq=False)
class _Windows:
    """The newest `max_length` events of each row's window, aligned at the left, then 0.

    Gathering costs by the position and not by the byte, so the bits of all that is told of an event
    lie side by side and are gathered together.
    """

    columns: Mapping[str, tuple[Any, int]]  # By name the type, and how many of the numbers it has.
    events: Tensor  # int32 [M, all of these]
    starts: Tensor
    ends: Tensor
    max_length: int

    def __call__(self, rows: Tensor) -> dict[str, Tensor]:
        positions = tf.ragged.range(tf.gather(self.starts, rows), tf.gather(self.ends, rows))
        events = positions.with_values(tf.gather(self.events, positions.values))
        shape = [None, self.max_length, self.events.shape[1]]
        dense = events.to_tensor(PADDING_INDEX, shape=shape)
        outputs, first = {}, 0
        for name, (dtype, width) in self.columns.items():
            bits = dense[:, :, first : first + width] if width > 1 else dense[:, :, first]
            is_narrowed = dtype == tf.int64 and width == 1
            outputs[name] = tf.cast(bits, dtype) if is_narrowed else tf.bitcast(bits, dtype)
            first += width
        return outputs


def _gather(feature: Any, examples: Examples, preprocessor: Preprocessor) -> Gather:
    if feature.kind == "history":
        return _history(feature, examples, preprocessor)
    table, codes = _table_and_codes(feature, examples, preprocessor)
    if codes is not None and table.ndim == 1:
        table, codes = table[codes], None
    return _Rows(feature.name, _constant(table), None if codes is None else _constant(codes))


def _history(feature: Any, examples: Examples, preprocessor: Preprocessor) -> Gather:
    window = examples.lists[feature.name]
    # A history's index is the index of the item, so the item's own preprocessing gives it.
    item = preprocessor.schema.feature(feature.of)
    table, codes = _table_and_codes(item, Examples({item.name: window.values}), preprocessor)
    columns = {feature.name: table[codes]}
    for told, name in feature.aligned.items():
        values = examples.lists[name].values
        if told == "values":
            values = np.where(np.isfinite(values), values, np.float32(0))
        elif told == "actions":
            values = action_indices(values, feature.actions)
        columns[name] = values
    return gather_events(columns, window, feature.max_length)


def gather_events(columns: Mapping[str, Array], windows: ListColumn, max_length: int) -> Gather:
    """Lays out what is told of the events in each row's window.

    Args:
        columns: Of all events by name, int64 or float32 `[M]`.
        windows: Each row's window on the events.
        max_length: Events that are laid out, the newest.

    Returns:
        A function from row positions to `[B, max_length]` by name, aligned at the left, then 0.
    """
    starts = np.maximum(windows.starts, windows.ends - max_length)
    distinct, of_row = _distinct(starts, windows.ends, len(windows.values))
    num_bytes = sum(column.itemsize for column in columns.values()) * max_length
    if num_bytes * len(distinct) <= _MAX_TABLE_BYTES:
        gathers = _history_tables(columns, distinct, of_row, max_length)
        return lambda rows: {k: v for each in gathers for k, v in each(rows).items()}
    bits = {name: _bits(column) for name, column in columns.items()}
    return _Windows(
        {name: (tf.as_dtype(columns[name].dtype), each.shape[1]) for name, each in bits.items()},
        _constant(np.concatenate(list(bits.values()), axis=1)),
        _constant(starts),
        _constant(windows.ends),
        max_length,
    )


def _bits(column: Array) -> IntArray:
    """Returns the bits of numbers as int32 `[M, 1]`, `[M, 2]` of int64 that need so many."""
    if column.dtype == np.int64:
        limits = np.iinfo(np.int32)
        if limits.min <= column.min(initial=0) and column.max(initial=0) <= limits.max:
            column = column.astype(np.int32)
    return np.ascontiguousarray(column).view(np.int32).reshape(len(column), column.itemsize // 4)


def _history_tables(
    columns: Mapping[str, Array], windows: IntArray, of_row: IntArray, max_length: int
) -> list[_Rows]:
    """Lays the different windows out as tables, where that costs little memory."""
    positions = windows[:, :1] + np.arange(max_length)
    is_event = positions < windows[:, 1:]
    codes = _constant(of_row)
    tables = []
    for name, column in columns.items():
        table = np.zeros(positions.shape, column.dtype)
        table[is_event] = column[positions[is_event]]
        tables.append(_Rows(name, _constant(table), codes))
    return tables


def _distinct(starts: IntArray, ends: IntArray, num_values: int) -> tuple[IntArray, IntArray]:
    """Returns the different windows, `[U, 2]`, and which of them each row has, `[n]`."""
    width = num_values + 1
    keys, of_row = np.unique(starts * width + ends, return_inverse=True)
    # NumPy 2.0 gave the inverse another shape.
    return np.stack([keys // width, keys % width], axis=1), of_row.reshape(-1).astype(np.int64)


def _table_and_codes(
    feature: Any, examples: Examples, preprocessor: Preprocessor
) -> tuple[Array, IntArray | None]:
    """Preprocesses the different values of a column, and tells which of them each row has."""
    name = feature.name
    if name in examples.lists:
        windows = examples.lists[name]
        distinct, codes = _distinct(windows.starts, windows.ends, len(windows.values))
        windows = ListColumn(windows.values, distinct[:, 0], distinct[:, 1])
        chunk = lambda start: _ragged(windows, start, start + _CHUNK)  # noqa: E731
        return _in_chunks(name, chunk, len(windows), preprocessor), codes
    if name not in examples.columns:
        raise ValueError(
            f"`examples` lacks the feature {name!r} of the schema; it has "
            f"{', '.join([*examples.columns, *examples.lists])}."
        )
    column = examples.columns[name]
    if column.dtype != object:
        chunk = lambda start: column[start : start + _CHUNK]  # noqa: E731
        return _in_chunks(name, chunk, len(column), preprocessor), None
    codes, values = pd.factorize(column)
    chunk = lambda start: tf.constant(values[start : start + _CHUNK], tf.string)  # noqa: E731
    return _in_chunks(name, chunk, len(values), preprocessor), codes.astype(np.int64)


def _in_chunks(
    name: str, chunk: Callable[[int], Any], num_rows: int, preprocessor: Preprocessor
) -> Array:
    # Without rows one empty chunk still tells the shape and the type.
    starts = range(0, max(num_rows, 1), _CHUNK)
    return np.concatenate([preprocessor({name: chunk(start)})[name].numpy() for start in starts])


def _ragged(column: ListColumn, first: int, last: int) -> tf.RaggedTensor:
    """Returns the rows from `first` to before `last` as strings `[B, any]`."""
    starts, lengths = column.starts[first:last], (column.ends - column.starts)[first:last]
    splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    positions = np.repeat(starts - splits[:-1], lengths) + np.arange(splits[-1])
    strings = tf.constant(column.values[positions], tf.string, shape=[len(positions)])
    return tf.RaggedTensor.from_row_splits(strings, splits)


def _constant(values: Array) -> Tensor:
    # `tf.data` runs on the CPU; on the machine's accelerator each batch would be copied back.
    with tf.device("CPU:0"):
        return tf.constant(values)
