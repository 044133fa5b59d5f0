"""The rows of a table as examples and as batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import tensorflow as tf

from recsys_tf.features.ahead import made_ahead
from recsys_tf.features.dataset import batches_of_rows
from recsys_tf.features.examples import Examples, ListColumn, add_feature
from recsys_tf.features.frames import FrameColumns
from recsys_tf.features.labels import (
    check_labels,
    label_columns,
    make_labels,
    missing_labels_message,
)
from recsys_tf.features.preprocessor import Preprocessor
from recsys_tf.features.transformed import transform_features
from recsys_tf.schema import TableSchema
from recsys_tf.types import Array, Tensor


def table_examples(schema: TableSchema, rows: pd.DataFrame) -> Examples:
    """Reads the features, labels and sample weights of a table's rows.

    Args:
        schema: Features, tasks and column names.
        rows: One row an example; further columns are not read.

    Returns:
        `len(rows)` rows in the order of `rows`.

    Raises:
        ValueError: If a column is absent or of a wrong shape.
        TypeError: If a column is of a wrong type.
    """
    frame = FrameColumns(rows, "rows")
    columns: dict[str, Array] = {}
    lists: dict[str, ListColumn] = {}
    for feature in schema.features:
        add_feature(feature, frame, np.arange(len(rows)), columns, lists)
    for name in label_columns(schema):
        columns[name] = frame.floats(name)
    return Examples(columns, lists)


def make_table_dataset(
    examples: Examples,
    preprocessor: Preprocessor,
    schema: TableSchema,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Makes batches `(features, labels, weights)` of a table's rows.

    Everything is preprocessed once, here; a batch only gathers.

    Args:
        examples: What `table_examples` returned.
        preprocessor: The fitted preprocessing.
        schema: Features and tasks.
        batch_size: Rows a batch.
        shuffle_seed: Draws the order of the rows, anew in each epoch and equally in each run;
            None keeps the order of `examples`.
        drop_remainder: Whether a last batch with fewer rows is left out.

    Returns:
        A dataset of known length; see `make_dataset`.

    Raises:
        ValueError: If `batch_size` is below 1, a feature, label or weight is not in the examples,
            or a label cannot be used.
    """
    columns = _label_columns(schema, examples)
    check_labels(columns, schema)
    gather = transform_features(examples, preprocessor, schema.features)
    with tf.device("CPU:0"):
        columns = {name: tf.constant(column) for name, column in columns.items()}
    num_indices = preprocessor.state.num_indices_by_name

    def batch(rows: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        features = gather(rows)
        raw = {name: tf.gather(column, rows) for name, column in columns.items()}
        return features, *make_labels(raw, features, schema, num_indices)

    order = batches_of_rows(len(examples), batch_size, shuffle_seed, drop_remainder)
    return made_ahead(order.map(batch, num_parallel_calls=tf.data.AUTOTUNE))


def _label_columns(schema: TableSchema, examples: Examples) -> dict[str, Array]:
    names = label_columns(schema)
    absent = [name for name in names if name not in examples.columns]
    if absent:
        raise ValueError(missing_labels_message(absent, examples))
    return {name: examples.columns[name] for name in names}
