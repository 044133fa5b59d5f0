"""Examples after preprocessing, in memory: computed once, then gathered batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from recsys_tf.features.examples import Examples, ListColumn
from recsys_tf.features.preprocessor import Preprocessor
from recsys_tf.schema import Schema
from recsys_tf.types import Array, IntArray, Tensor

Gather = Callable[[Tensor], dict[str, Tensor]]
"""Row positions, int64 `[B]` -> transformed tensors of these rows, by name."""

_CHUNK = 65_536


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


def transform_queries(examples: Examples, preprocessor: Preprocessor, schema: Schema) -> Gather:
    """Preprocesses the user, context and history features of all rows.

    What many rows share is computed once: each different string, each user's list. A history
    stays a window on the events.

    Args:
        examples: What `make_examples` returned.
        preprocessor: The preprocessing.
        schema: Features.

    Returns:
        A function from row positions to the features of these rows, for use in a graph.
    """
    gathers = [_gather(each, examples, preprocessor) for each in schema.query_features]

    def gather(rows: Tensor) -> dict[str, Tensor]:
        return {name: tensor for each in gathers for name, tensor in each(rows).items()}

    return gather


def count_items(examples: Examples, preprocessor: Preprocessor, schema: Schema) -> IntArray:
    """Counts the rows of each item index.

    Args:
        examples: The training rows.
        preprocessor: The preprocessing.
        schema: Features.

    Returns:
        int64 `[N + 2]`, by item index, with the rows of unknown items at index 1.
    """
    table, codes = _table_and_codes(schema.feature(schema.item_id), examples, preprocessor)
    num_indices = preprocessor.state.num_indices(schema.item_id)
    return np.bincount(table[codes], minlength=num_indices).astype(np.int64)


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
    """The newest `max_length` values of each row's window, aligned at the left, then 0."""

    values: Mapping[str, Tensor]
    starts: Tensor
    ends: Tensor
    max_length: int

    def __call__(self, rows: Tensor) -> dict[str, Tensor]:
        ends = tf.gather(self.ends, rows)
        starts = tf.maximum(tf.gather(self.starts, rows), ends - self.max_length)
        positions = starts[:, tf.newaxis] + tf.range(self.max_length, dtype=tf.int64)
        is_event = positions < ends[:, tf.newaxis]
        # Position 0 holds a filling value, so that what lies outside can be gathered too.
        positions = tf.where(is_event, positions + 1, tf.zeros_like(positions))
        return {name: tf.gather(values, positions) for name, values in self.values.items()}


def _gather(feature: Any, examples: Examples, preprocessor: Preprocessor) -> Gather:
    if feature.kind == "history":
        return _history(feature, examples, preprocessor)
    table, codes = _table_and_codes(feature, examples, preprocessor)
    if codes is not None and table.ndim == 1:
        table, codes = table[codes], None
    return _Rows(feature.name, _constant(table), None if codes is None else _constant(codes))


def _history(feature: Any, examples: Examples, preprocessor: Preprocessor) -> _Windows:
    window = examples.lists[feature.name]
    # A history's index is the index of the item, so the item's own preprocessing gives it.
    events = Examples({feature.of: window.values})
    item = preprocessor.schema.feature(feature.of)
    table, codes = _table_and_codes(item, events, preprocessor)
    values = {feature.name: _constant(np.append(np.int64(0), table[codes]))}
    if feature.values_name is not None:
        numbers = examples.lists[feature.values_name].values
        numbers = np.where(np.isfinite(numbers), numbers, 0)
        values[feature.values_name] = _constant(np.append(0, numbers).astype(np.float32))
    return _Windows(values, _constant(window.starts), _constant(window.ends), feature.max_length)


def _table_and_codes(
    feature: Any, examples: Examples, preprocessor: Preprocessor
) -> tuple[Array, IntArray | None]:
    """Preprocesses the different values of a column, and tells which of them each row has."""
    name = feature.name
    if name in examples.lists:
        windows = examples.lists[name]
        pairs = np.stack([windows.starts, windows.ends], axis=1)
        distinct, codes = np.unique(pairs, axis=0, return_inverse=True)
        windows = ListColumn(windows.values, distinct[:, 0], distinct[:, 1])
        chunk = lambda start: _ragged(windows, start, start + _CHUNK)  # noqa: E731
        # NumPy 2.0 gave the inverse another shape.
        return _in_chunks(name, chunk, len(windows), preprocessor), codes.reshape(-1)
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
