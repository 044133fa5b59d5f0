"""Examples as serialised `tf.Example`s in compressed TFRecord files, and back to raw values."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from recsys_tf.features.examples import Examples, ListColumn
from recsys_tf.features.fitting import item_rows
from recsys_tf.features.json_files import WRITING, write_json
from recsys_tf.features.labels import label_columns
from recsys_tf.features.raw_values import ALIGNED
from recsys_tf.features.shards import MANIFEST, Manifest, check_shards
from recsys_tf.schema import FeaturesAndTasks, Schema
from recsys_tf.types import Array, Tensor

_Encode = Callable[[int], "tf.train.Feature | None"]


def raw_feature_spec(schema: FeaturesAndTasks, *, has_labels: bool = True) -> dict[str, Any]:
    """Returns how a raw `tf.Example` is parsed.

    Args:
        schema: Features and tasks.
        has_labels: Whether the labels, the sample weights and the timestamp of a `Schema` are
            parsed as well.

    Returns:
        A parsing specification by name, for `tf.io.parse_example`. What an example lacks becomes
        `""` or NaN (for the timestamp 0), a list without an entry the empty list.
    """
    spec: dict[str, Any] = {}
    for feature in schema.features:
        if feature.kind == "history" or getattr(feature, "is_multivalent", False):
            spec[feature.name] = tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)
        elif feature.kind == "numeric":
            spec[feature.name] = tf.io.FixedLenFeature([], tf.float32, float("nan"))
        elif feature.kind == "embedding":
            missing = [float("nan")] * feature.size
            spec[feature.name] = tf.io.FixedLenFeature([feature.size], tf.float32, missing)
        else:
            spec[feature.name] = tf.io.FixedLenFeature([], tf.string, "")
        if feature.kind == "history":
            for told, name in feature.aligned.items():
                spec[name] = tf.io.RaggedFeature(ALIGNED[told][0], row_splits_dtype=tf.int64)
    if has_labels:
        for name in label_columns(schema):
            spec[name] = tf.io.FixedLenFeature([], tf.float32, float("nan"))
        if isinstance(schema, Schema):
            spec[schema.timestamp] = tf.io.FixedLenFeature([], tf.int64, 0)
    return spec


def parse_raw(
    serialized: Tensor, schema: FeaturesAndTasks, *, has_labels: bool = False
) -> dict[str, Tensor]:
    """Parses serialised `tf.Example`s into what `Preprocessor` takes.

    Args:
        serialized: string `[B]`.
        schema: Features and tasks.
        has_labels: Whether the labels, the sample weights and the timestamp of a `Schema` are
            parsed as well.

    Returns:
        Raw tensors by name, lists as ragged tensors.
    """
    return tf.io.parse_example(serialized, raw_feature_spec(schema, has_labels=has_labels))


def write_examples(
    examples: Examples,
    catalogue: Examples,
    schema: Schema,
    folder: str | Path,
    *,
    num_shards: int = 1,
    is_target_masked: bool | None = None,
    max_history: int | None = None,
) -> dict[str, int]:
    """Writes the examples, each joined with its item's features, as gzip TFRecord files.

    The files get their names when they are whole, and the manifest comes last, so that a folder
    that was cut short in the writing is not taken for whole by `read_examples`.

    Args:
        examples: What `make_examples` returned.
        catalogue: What `catalogue_examples` returned.
        schema: Features and tasks.
        folder: Where the files go; it is made where it is absent. Shards that it holds already
            are replaced.
        num_shards: Number of files; row `i` stands in file `i % num_shards`.
        is_target_masked: Whether the row's own item is left out of its history; None leaves it out
            where a history may hold the row's own event. See `make_dataset`.
        max_history: Events of a history that are written, the newest; None writes the feature's
            `max_length`, which are read. More of them tell an evaluation what the user has met.

    Returns:
        Rows by the name of the file, as in the manifest.

    Raises:
        ValueError: If `num_shards` is below 1, or an item is not in the catalogue.
    """
    if num_shards < 1:
        raise ValueError(f"`num_shards` must be 1 or more, received {num_shards}.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The last is what a killed writing of an older version left.
    for pattern in (MANIFEST, "examples-*.gz", f"{WRITING}examples-*.gz", f"{WRITING}[0-9]*"):
        for old in folder.glob(pattern):
            old.unlink()
    is_masked = examples.has_target if is_target_masked is None else is_target_masked
    row_to_example, columns = _encoder(examples, catalogue, schema, is_masked, max_history)
    counts: dict[str, int] = {}
    for shard in range(num_shards):
        name = f"examples-{shard:05d}-of-{num_shards:05d}.gz"
        rows = range(shard, len(examples), num_shards)
        with tf.io.TFRecordWriter(str(folder / f"{WRITING}{name}"), "GZIP") as writer:
            for row in rows:
                writer.write(row_to_example(row))
        os.replace(folder / f"{WRITING}{name}", folder / name)
        counts[name] = len(rows)
    has_target = examples.has_target and not is_masked
    manifest = asdict(Manifest(counts, columns, is_masked, has_target))
    write_json(folder / MANIFEST, manifest)
    return counts


def read_examples(folder: str | Path) -> tf.data.Dataset:
    """Reads the serialised examples that `write_examples` wrote, in the order of the files.

    Args:
        folder: The folder of the files and their manifest.

    Returns:
        A dataset of string scalars, of the length that the manifest tells.

    Raises:
        ValueError: If the manifest or a file is absent, or a file holds fewer or more rows than
            it should, or cannot be read.
    """
    counts = check_shards(folder).rows
    paths = [str(Path(folder) / name) for name in counts]
    dataset = tf.data.TFRecordDataset(paths, compression_type="GZIP")
    return dataset.apply(tf.data.experimental.assert_cardinality(sum(counts.values())))


def _encoder(
    examples: Examples,
    catalogue: Examples,
    schema: Schema,
    is_target_masked: bool,
    max_history: int | None,
) -> tuple[Callable[[int], bytes], tuple[str, ...]]:
    """Returns a function from a row to its serialised `tf.Example`, and the columns' names."""
    rows_of_items = item_rows(schema, examples, catalogue)
    of_row = {name: _scalar(column) for name, column in examples.columns.items()}
    target = examples.columns[schema.item_id] if is_target_masked else None
    of_row.update(_lists(examples, schema, target, max_history))
    of_item: dict[str, _Encode] = {
        name: _scalar(column) for name, column in catalogue.columns.items() if name not in of_row
    }
    of_item.update(_lists(catalogue, schema))

    def serialize(encoders: dict[str, _Encode], row: int) -> bytes:
        values = {name: encode(row) for name, encode in encoders.items()}
        present = {name: value for name, value in values.items() if value is not None}
        example = tf.train.Example(features=tf.train.Features(feature=present))
        # The same rows give the same bytes, run after run.
        return example.SerializeToString(deterministic=True)

    # Two serialised messages on end are their union, so an item is serialised once only.
    item_bytes = functools.lru_cache(maxsize=None)(lambda row: serialize(of_item, row))
    columns = tuple(sorted({*of_row, *of_item}))
    return lambda row: serialize(of_row, row) + item_bytes(int(rows_of_items[row])), columns


def _scalar(column: Array) -> _Encode:
    """Encodes one value a row; what is missing is left out, and the parser fills it in."""
    if column.dtype == object:
        return lambda row: _strings([column[row].encode()]) if column[row] else None
    if np.issubdtype(column.dtype, np.integer):
        return lambda row: _integers([column[row]])
    if column.ndim == 1:
        return lambda row: _floats([column[row]]) if column[row] == column[row] else None
    return lambda row: _floats(column[row])


def _lists(
    examples: Examples,
    schema: Schema,
    target: Array | None = None,
    max_history: int | None = None,
) -> dict[str, _Encode]:
    """Encodes the list columns; a history and what is told of its events lose the row's own."""
    history = schema.history
    of_history = [] if history is None else [history.name, *history.aligned.values()]
    encoders: dict[str, _Encode] = {}
    for name, column in examples.lists.items():
        if history is not None and name in of_history:
            events = examples.lists[history.name].values
            encoders[name] = _window(column, events, max_history or history.max_length, target)
        else:
            encoders[name] = _window(column, column.values, len(column.values), None)
    return encoders


def _window(column: ListColumn, events: Array, max_length: int, target: Array | None) -> _Encode:
    values = column.values
    feature_of = _floats if np.issubdtype(values.dtype, np.floating) else _integers
    if values.dtype == object:
        # Each value once, not once a window that holds it.
        values = np.array([each.encode() for each in values] + [b""], dtype=object)[:-1]
        feature_of = _strings

    def encode(row: int) -> tf.train.Feature:
        end = column.ends[row]
        start = max(column.starts[row], end - max_length)
        window = values[start:end]
        if target is not None:
            window = window[events[start:end] != target[row]]
        return feature_of(window)

    return encode


def _strings(values: Any) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _integers(values: Any) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: Any) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))
