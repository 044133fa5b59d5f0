"""What Transform wrote, as fitted numbers and as batches for training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from pipeline.joint_analyzer import is_empty_vocabulary, vocabulary_file
from pipeline.transform_module import moments_name, raw_name
from recsys_tf.features import FeatureState, label_columns, make_labels
from recsys_tf.schema import Schema
from recsys_tf.types import Array, FloatArray, Tensor

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class TransformedRows:
    """All rows of a split after Transform, in memory.

    Attributes:
        columns: `[n, ...]` by name: features, raw labels, moments.
    """

    columns: Mapping[str, Array]

    def __len__(self) -> int:
        """Returns the number of rows."""
        return next((len(column) for column in self.columns.values()), 0)


def read_transformed(
    patterns: Iterable[str], transform: tft.TFTransformOutput, schema: Schema
) -> TransformedRows:
    """Reads a split's transformed examples.

    Args:
        patterns: File patterns, as the Trainer gets them.
        transform: What Transform wrote beside them.
        schema: Features and tasks.

    Returns:
        The rows in the order of time, user and item: Beam may write them in any order, and equal
        runs must train equal models.

    Raises:
        ValueError: If there is no row.
    """
    spec = transform.transformed_feature_spec()
    paths = sorted(path for each in patterns for path in tf.io.gfile.glob(each))
    dataset = tf.data.TFRecordDataset(paths, compression_type="GZIP", num_parallel_reads=2)
    dataset = dataset.batch(_ROWS_AT_ONCE).map(
        lambda serialized: tf.io.parse_example(serialized, spec), tf.data.AUTOTUNE
    )
    parts: dict[str, list[Array]] = {name: [] for name in spec}
    for batch in dataset.as_numpy_iterator():
        for name, values in batch.items():
            parts[name].append(values)
    if not next(iter(parts.values()), []):
        raise ValueError(f"Transform wrote no rows into {', '.join(patterns)}.")
    columns = {name: np.concatenate(values) for name, values in parts.items()}
    order = np.lexsort(
        (columns[schema.item_id], columns[schema.user_id], columns[raw_name(schema.timestamp)])
    )
    return TransformedRows({name: column[order] for name, column in columns.items()})


def fitted_state(
    transform: tft.TFTransformOutput, rows: TransformedRows, schema: Schema, pieces: FeatureState
) -> FeatureState:
    """Reads the vocabularies and moments that Transform learned.

    Args:
        transform: What Transform wrote.
        rows: Rows that it transformed.
        schema: Features.
        pieces: The word pieces that Transform was given.

    Returns:
        The state; a `Preprocessor` of it gives the same bits as the transform graph.
    """
    vocabularies: dict[str, tuple[str, ...]] = {}
    moments: dict[str, tuple[float, float]] = {}
    for feature in schema.features:
        if feature.kind in ("id", "categorical"):
            vocabularies[feature.name] = _vocabulary(feature, transform)
        elif feature.kind == "numeric" and feature.scaling != "none":
            mean, std = rows.columns[moments_name(feature.name)][0]
            moments[feature.name] = (float(mean), float(std))
    return FeatureState(vocabularies, moments, pieces.wordpieces, pieces.is_lower_case)


def training_dataset(
    rows: TransformedRows,
    schema: Schema,
    num_indices: Mapping[str, int],
    batch_size: int,
    shuffle_seed: int | None = None,
    row_weights: FloatArray | None = None,
) -> tf.data.Dataset:
    """Makes batches `(features, labels, weights)`, as `recsys_tf.features.make_dataset` does.

    Args:
        rows: Transformed rows.
        schema: Features and tasks.
        num_indices: Rows of each feature's embedding table.
        batch_size: Rows a batch.
        shuffle_seed: Draws the order of the rows, anew in each epoch; None keeps it.
        row_weights: float `[n]`, factors of each row's weight in all tasks; None weighs all alike.

    Returns:
        A dataset of known length.
    """
    raw_labels = {raw_name(name): name for name in label_columns(schema)}
    names = feature_names(schema)
    with tf.device("CPU:0"):  # `tf.data` runs there; elsewhere each batch would be copied back.
        columns = {name: tf.constant(rows.columns[name]) for name in (*names, *raw_labels)}
        factors = None if row_weights is None else tf.constant(row_weights, tf.float32)

    def batch(at: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        gathered = {name: tf.gather(column, at) for name, column in columns.items()}
        features = {name: gathered[name] for name in names}
        raw = {name: gathered[held] for held, name in raw_labels.items()}
        labels, weights = make_labels(raw, features, schema, num_indices)
        if factors is not None:
            weights = {name: tf.gather(factors, at) * weight for name, weight in weights.items()}
        return features, labels, weights

    order = tf.data.Dataset.range(len(rows))
    if shuffle_seed is not None:
        order = order.shuffle(len(rows), seed=shuffle_seed)
    return order.batch(batch_size).map(batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def feature_names(schema: Schema) -> tuple[str, ...]:
    """Returns the names of all transformed features, a history's values among them."""
    names = [each.name for each in schema.features]
    values = [getattr(each, "values_name", None) for each in schema.features]
    return (*names, *(name for name in values if name is not None))


def _vocabulary(feature: object, transform: tft.TFTransformOutput) -> tuple[str, ...]:
    fixed = getattr(feature, "values", None)
    if fixed is not None:
        return tuple(fixed)
    name = vocabulary_file(feature.name)  # type: ignore[attr-defined]
    values = tuple(value.decode("utf-8") for value in transform.vocabulary_by_name(name))
    return () if is_empty_vocabulary(values) else values
