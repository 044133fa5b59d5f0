"""Training rows in memory: raw examples after preprocessing by what Transform learned."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from pipeline.joint_analyzer import is_empty_vocabulary, vocabulary_file
from pipeline.transform_module import boundaries_name, moments_name
from recsys_tf.features import FeatureState, Preprocessor, make_labels
from recsys_tf.features.ahead import made_ahead
from recsys_tf.features.records import parse_rows
from recsys_tf.features.tf_example import parse_raw, read_examples
from recsys_tf.schema import Schema
from recsys_tf.types import UNKNOWN_INDEX, Array, FloatArray, Tensor

_ROWS_AT_ONCE = 2048
_NUM_CHECKED_ROWS = 512


class SkewError(RuntimeError):
    """The served preprocessing differs from the transform graph."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """All rows of a split, in the order in which they were written.

    Attributes:
        features: Preprocessed features, `[n, ...]` by name.
        labels: Raw labels and weights of examples, float32 `[n]` by name, NaN where missing.
        timestamps: int64 `[n]`.
    """

    features: Mapping[str, Array]
    labels: Mapping[str, Array]
    timestamps: Array

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.timestamps)


def checked_preprocessor(
    transform: tft.TFTransformOutput, schema: Schema, pieces: FeatureState, folder: Path
) -> Preprocessor:
    """Makes the preprocessing of what Transform learned, for training and for the served graph.

    It takes any subset of the features, in dense and ragged tensors, which the transform graph
    does not; that both give the same bits is checked on real rows.

    Args:
        transform: What Transform wrote.
        schema: Features.
        pieces: The word pieces that Transform was given.
        folder: Written examples to compare on.

    Returns:
        The preprocessing.

    Raises:
        SkewError: If any bit of any feature differs; the text names the features.
    """
    serialized = next(iter(read_examples(folder).batch(_NUM_CHECKED_ROWS)))
    raw = tf.io.parse_example(serialized, transform.raw_feature_spec())
    transformed = transform.transform_raw_features(raw)
    preprocessor = Preprocessor(schema, fitted_state(transform, transformed, schema, pieces))
    served = preprocessor(parse_raw(serialized, schema))
    different = [
        name
        for name, values in served.items()
        if transformed[name].numpy().tobytes() != values.numpy().tobytes()
    ]
    if different:
        raise SkewError(
            f"Transform and the served preprocessing differ in {', '.join(different)}; a model "
            "would be asked in other numbers than it was trained on. Please report this."
        )
    return preprocessor


def fitted_state(
    transform: tft.TFTransformOutput,
    transformed: Mapping[str, Tensor],
    schema: Schema,
    pieces: FeatureState,
) -> FeatureState:
    """Reads the vocabularies, moments and boundaries of bins that Transform learned.

    Args:
        transform: What Transform wrote.
        transformed: Rows that its graph transformed, at least one.
        schema: Features.
        pieces: The word pieces that Transform was given.

    Returns:
        The state.
    """
    vocabularies: dict[str, tuple[str, ...]] = {}
    moments: dict[str, tuple[float, float]] = {}
    boundaries: dict[str, tuple[float, ...]] = {}
    for feature in schema.features:
        if feature.kind in ("id", "categorical"):
            vocabularies[feature.name] = _vocabulary(feature, transform)
        elif feature.kind == "numeric" and feature.scaling != "none":
            mean, deviation = transformed[moments_name(feature.name)][0].numpy()
            moments[feature.name] = (float(mean), float(deviation))
        if feature.kind == "numeric" and feature.num_bins is not None:
            numbers = transformed[boundaries_name(feature.name)][0].numpy()
            boundaries[feature.name] = tuple(numbers[~np.isnan(numbers)].tolist())
    return FeatureState(vocabularies, moments, pieces.wordpieces, pieces.is_lower_case, boundaries)


def read_rows(patterns: Iterable[str], schema: Schema, preprocessor: Preprocessor) -> TrainingRows:
    """Reads and preprocesses a split, each row once.

    Args:
        patterns: File patterns of raw examples, as the Trainer gets them.
        schema: Features and tasks.
        preprocessor: The preprocessing.

    Returns:
        The rows.

    Raises:
        ValueError: If there is no row.
    """
    patterns = list(patterns)
    parse = functools.partial(parse_rows, schema=schema, preprocessor=preprocessor)
    dataset = serialized_rows(patterns).map(parse, tf.data.AUTOTUNE)
    batches = list(dataset.as_numpy_iterator())
    if not batches:
        raise ValueError(f"There are no rows in {', '.join(patterns)}.")
    features, labels, timestamps = zip(*batches, strict=True)
    return TrainingRows(_joined(features), _joined(labels), np.concatenate(timestamps))


def num_unknown_items(patterns: Iterable[str], schema: Schema, rows: TrainingRows) -> int:
    """Counts the different items of a split that have the index of the unknown one.

    Args:
        patterns: File patterns of the split's raw examples.
        schema: Features.
        rows: What `read_rows` made of them.

    Returns:
        Their number, 1 where it is none; for this the files are read once more where there are.
    """
    is_unknown = rows.features[schema.item_id] == UNKNOWN_INDEX
    if not is_unknown.any():
        return 1
    ids = [parse_raw(each, schema)[schema.item_id].numpy() for each in serialized_rows(patterns)]
    return len(set(np.concatenate(ids)[is_unknown]))


def training_dataset(
    rows: TrainingRows,
    schema: Schema,
    num_indices: Mapping[str, int],
    batch_size: int,
    shuffle_seed: int | None = None,
    row_weights: FloatArray | None = None,
) -> tf.data.Dataset:
    """Makes batches `(features, labels, weights)`, as `recsys_tf.features.make_dataset` does.

    Args:
        rows: Preprocessed rows.
        schema: Features and tasks.
        num_indices: Rows of each feature's embedding table.
        batch_size: Rows a batch.
        shuffle_seed: Draws the order of the rows, anew in each epoch; None keeps it.
        row_weights: float `[n]`, factors of each row's weight in all tasks; None weighs all alike.

    Returns:
        A dataset of known length.
    """
    with tf.device("CPU:0"):  # `tf.data` runs there; elsewhere each batch would be copied back.
        features = {name: tf.constant(column) for name, column in rows.features.items()}
        raw_labels = {name: tf.constant(column) for name, column in rows.labels.items()}
        factors = None if row_weights is None else tf.constant(row_weights, tf.float32)

    def batch(at: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        inputs = {name: tf.gather(column, at) for name, column in features.items()}
        raw = {name: tf.gather(column, at) for name, column in raw_labels.items()}
        labels, weights = make_labels(raw, inputs, schema, num_indices)
        if factors is not None:
            weights = {name: tf.gather(factors, at) * weight for name, weight in weights.items()}
        return inputs, labels, weights

    order = tf.data.Dataset.range(len(rows))
    if shuffle_seed is not None:
        order = order.shuffle(len(rows), seed=shuffle_seed)
    return made_ahead(order.batch(batch_size).map(batch, tf.data.AUTOTUNE))


def serialized_rows(patterns: Iterable[str]) -> tf.data.Dataset:
    """Returns batches of serialised examples of a split, each row once, always in one order."""
    paths = sorted(path for each in patterns for path in tf.io.gfile.glob(each))
    return tf.data.TFRecordDataset(paths, compression_type="GZIP").batch(_ROWS_AT_ONCE)


def _joined(parts: tuple[Mapping[str, Array], ...]) -> dict[str, Array]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _vocabulary(feature: Any, transform: tft.TFTransformOutput) -> tuple[str, ...]:
    fixed = getattr(feature, "values", None)
    if fixed is not None:
        return tuple(fixed)
    name = vocabulary_file(feature.name)
    values = tuple(value.decode("utf-8") for value in transform.vocabulary_by_name(name))
    return () if is_empty_vocabulary(values) else values
