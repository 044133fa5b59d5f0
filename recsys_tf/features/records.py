"""Batches of written examples that memory need not hold: read, parsed and preprocessed anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from recsys_tf.features.ahead import as_written, made_ahead
from recsys_tf.features.dataset import without_target
from recsys_tf.features.labels import check_labels, label_columns, make_labels
from recsys_tf.features.preprocessor import Preprocessor
from recsys_tf.features.raw_values import fit_width
from recsys_tf.features.shards import Manifest, check_shards
from recsys_tf.features.tf_example import parse_raw, raw_feature_spec
from recsys_tf.schema import Schema
from recsys_tf.types import FloatArray, Tensor

# Files that are read side by side when rows are shuffled. A fixed number: one that followed the
# machine's cores would draw another order on another machine.
_OPEN_FILES = 16
# Neighbours from one file; the buffer parts them, and handing over row by row costs more.
_BLOCK = 16


def make_record_dataset(
    folder: str | Path,
    preprocessor: Preprocessor,
    schema: Schema,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    shuffle_buffer: int = 16_384,
    drop_remainder: bool = False,
    is_target_masked: bool | None = None,
) -> tf.data.Dataset:
    """Makes batches `(features, labels, weights)` of the rows that `write_examples` wrote.

    What `make_dataset` computes once is computed in each epoch here, batch by batch, by the same
    preprocessing and in several threads: for rows that memory does not hold. Files are read side
    by side, and no Python runs between two batches. Without a seed the batches are those of
    `make_dataset`, bit for bit; but where the examples were written without the row's own item, a
    history is moved up and has no gap in its place.

    Every file is read once before, to find broken ones and to check the labels, which are held
    for it: 4 bytes a row and column of labels.

    Args:
        folder: What `write_examples` filled.
        preprocessor: The fitted preprocessing.
        schema: Features and tasks.
        batch_size: Rows a batch.
        shuffle_seed: Draws the order of the files and of the rows, anew in each epoch and equally
            in each run; None keeps the order in which the examples were given.
        shuffle_buffer: Rows from which the next one is drawn. Serialised rows of a few hundred
            bytes to some kilobytes are held, so that the default needs about 50 MB at the most.
        drop_remainder: Whether a last batch with fewer rows is left out.
        is_target_masked: Whether the row's own item becomes padding in its history; None does so
            where a history may hold the row's own event. See `make_dataset`.

    Returns:
        A dataset of known length, as `make_dataset` makes it.

    Raises:
        BrokenExamplesError: If the manifest or a file is absent, or a file is not as it was
            written.
        ValueError: If `batch_size` or `shuffle_buffer` is below 1, a feature or a label is not in
            the examples, a label cannot be used, or the row's own item is wanted in the history
            and was not written.
    """
    for name, number in (("batch_size", batch_size), ("shuffle_buffer", shuffle_buffer)):
        if number < 1:
            raise ValueError(f"`{name}` must be 1 or more, received {number}.")
    manifest = _checked_manifest(Path(folder), schema, is_target_masked)
    counts = manifest.rows
    is_masked = manifest.has_target if is_target_masked is None else is_target_masked
    num_indices = preprocessor.state.num_indices_by_name

    @as_written
    def batch(records: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        raw = parse_raw(records, schema, has_labels=True)
        features = preprocessor(raw)
        if is_masked and schema.history is not None:
            features.update(without_target(features, _find_target(raw, schema), schema))
        columns = {name: raw[name] for name in label_columns(schema)}
        return features, *make_labels(columns, features, schema, num_indices)

    records = _records(Path(folder), list(counts), shuffle_seed)
    if shuffle_seed is not None:
        records = records.shuffle(shuffle_buffer, seed=shuffle_seed)
    num_rows = sum(counts.values())
    num_batches = num_rows // batch_size if drop_remainder else -(-num_rows // batch_size)
    batches = (
        records.batch(batch_size, drop_remainder=drop_remainder)
        .map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .apply(tf.data.experimental.assert_cardinality(num_batches))
    )
    return made_ahead(batches)


def parse_rows(
    records: Tensor, schema: Schema, preprocessor: Preprocessor
) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Parses and preprocesses serialised rows.

    Args:
        records: string `[B]`, `tf.Example`s as `write_examples` writes them.
        schema: Features and tasks.
        preprocessor: The fitted preprocessing.

    Returns:
        All features by name, the raw columns that `label_columns` names, float32 `[B]`, and the
        timestamps, int64 `[B]`.
    """
    raw = parse_raw(records, schema, has_labels=True)
    columns = {name: raw[name] for name in label_columns(schema)}
    return preprocessor(raw), columns, raw[schema.timestamp]


def _find_target(raw: Mapping[str, Tensor], schema: Schema) -> Tensor:
    """Tells which events of the preprocessed histories are of the row's own item, `[B, L]`."""
    history = schema.history
    assert history is not None
    # Ids are compared, since all items that training has met too seldom have one index.
    events = raw[history.name]
    events = tf.ragged.boolean_mask(events, tf.not_equal(events, ""))[:, -history.max_length :]
    targets = tf.gather(raw[schema.item_id], events.value_rowids())
    is_target = events.with_values(tf.equal(events.values, targets))
    return fit_width(is_target, history.max_length, False)


def _records(folder: Path, names: list[str], seed: int | None) -> tf.data.Dataset:
    """Reads the files' rows side by side, in the order of the examples without a seed."""
    paths = tf.data.Dataset.from_tensor_slices([str(folder / name) for name in names])
    num_open, block = len(names), 1  # Row i stands in file i % num_shards.
    if seed is not None:
        paths = paths.shuffle(len(names), seed=seed)
        num_open, block = min(len(names), _OPEN_FILES), _BLOCK
    return paths.interleave(
        as_written(lambda path: tf.data.TFRecordDataset(path, compression_type="GZIP")),
        cycle_length=num_open,
        block_length=block,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _checked_manifest(folder: Path, schema: Schema, is_target_masked: bool | None) -> Manifest:
    """Returns what the files hold, after a look at every one and every label."""
    spec = raw_feature_spec(schema)
    labels: dict[str, list[FloatArray]] = {name: [] for name in label_columns(schema)}
    label_spec = {name: spec[name] for name in labels}

    def look(records: Tensor) -> None:
        if label_spec:
            for name, values in tf.io.parse_example(records, label_spec).items():
                labels[name].append(values.numpy())

    manifest = check_shards(folder, look)
    _check_columns(spec, manifest.columns)
    if manifest.is_target_masked and is_target_masked is False and schema.history is not None:
        raise ValueError(
            f"`is_target_masked` must be True for the examples in {str(folder)!r}, which were "
            "written without the row's own item; write them with `is_target_masked=False`."
        )
    none = np.zeros(0, np.float32)
    check_labels({name: np.concatenate([none, *parts]) for name, parts in labels.items()}, schema)
    return manifest


def _check_columns(spec: Iterable[str], columns: Iterable[str]) -> None:
    absent = sorted(set(spec) - set(columns))
    if absent:
        raise ValueError(
            f"The written examples lack the column{'s' * (len(absent) > 1)} {', '.join(absent)} of "
            f"`schema`; they have {', '.join(columns)}. Write them again with this schema."
        )
