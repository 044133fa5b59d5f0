"""Batches for training and evaluation: preprocessed once, gathered in the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import tensorflow as tf

from recsys_tf.features.ahead import as_written, made_ahead
from recsys_tf.features.examples import Examples
from recsys_tf.features.fitting import item_rows
from recsys_tf.features.labels import (
    check_labels,
    label_columns,
    make_labels,
    missing_labels_message,
)
from recsys_tf.features.preprocessor import Preprocessor
from recsys_tf.features.transformed import (
    gather_events,
    id_indices,
    transform_catalogue,
    transform_features,
)
from recsys_tf.schema import Schema
from recsys_tf.types import UNKNOWN_INDEX, Array, FloatArray, IntArray, Tensor


def make_dataset(
    examples: Examples,
    catalogue: Examples,
    preprocessor: Preprocessor,
    schema: Schema,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    drop_remainder: bool = False,
    is_target_masked: bool | None = None,
    row_weights: FloatArray | None = None,
) -> tf.data.Dataset:
    """Makes batches `(features, labels, weights)` of preprocessed rows.

    Everything is preprocessed once, here; a batch only gathers. Item features come from the
    preprocessed catalogue, so that a text is cut once an item and not once a row.

    Args:
        examples: What `make_examples` returned.
        catalogue: What `catalogue_examples` returned.
        preprocessor: The fitted preprocessing.
        schema: Features and tasks.
        batch_size: Rows a batch.
        shuffle_seed: Draws the order of the rows, anew in each epoch and equally in each run;
            None keeps the order of `examples`.
        drop_remainder: Whether a last batch with fewer rows is left out.
        is_target_masked: Whether the row's own item becomes padding in its history (and what is
            told of the event 0), so that the answer is not read off. None does so where a history
            may hold the row's own event (`examples.has_target`): what was met before and is met
            again is no leak.
        row_weights: float `[len(examples)]`, 0 or more: factors of each row's weight in all
            tasks; None weighs all alike.

    Returns:
        A dataset of known length: all features of the schema by name, then labels and weights by
        task, see `preprocess` and `make_labels`.

    Raises:
        ValueError: If `batch_size` is below 1, a feature is not in the examples, an item is not in
            the catalogue, or a label cannot be used.
    """
    rows_of_items = item_rows(schema, examples, catalogue)
    columns = label_values(schema, examples, catalogue, rows_of_items)
    check_labels(columns, schema)
    queries = transform_features(examples, preprocessor, schema.query_features)
    with tf.device("CPU:0"):
        columns = {name: tf.constant(column) for name, column in columns.items()}
        factors = None if row_weights is None else tf.constant(row_weights, tf.float32)
        rows_of_items = tf.constant(rows_of_items)
        items = {
            name: tf.constant(column)
            for name, column in transform_catalogue(catalogue, preprocessor, schema).items()
        }
    num_indices = preprocessor.state.num_indices_by_name
    is_masked = examples.has_target if is_target_masked is None else is_target_masked
    find_target = _target_finder(examples, preprocessor, schema) if is_masked else None

    @as_written
    def batch(rows: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        item = tf.gather(rows_of_items, rows)
        features = queries(rows)
        features.update({name: tf.gather(column, item) for name, column in items.items()})
        if find_target is not None:
            features.update(without_target(features, find_target(rows, features), schema))
        raw = {name: tf.gather(column, rows) for name, column in columns.items()}
        labels, weights = make_labels(raw, features, schema, num_indices)
        if factors is not None:
            weights = {name: tf.gather(factors, rows) * weight for name, weight in weights.items()}
        return features, labels, weights

    order = batches_of_rows(len(examples), batch_size, shuffle_seed, drop_remainder)
    return made_ahead(order.map(batch, num_parallel_calls=tf.data.AUTOTUNE))


def batches_of_rows(
    num_rows: int, batch_size: int, seed: int | None, drop_remainder: bool
) -> tf.data.Dataset:
    """Makes batches of row positions.

    The whole order is drawn at once at an epoch's start: `Dataset.shuffle` hands over row by row,
    at less than 300,000 rows a second.

    Args:
        num_rows: Number of rows.
        batch_size: Rows a batch.
        seed: Draws the order, anew in each epoch; None keeps it.
        drop_remainder: Whether a last batch with fewer rows is left out.

    Returns:
        A dataset of int64 `[B]`, of known length.

    Raises:
        ValueError: If `batch_size` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be 1 or more, received {batch_size}.")
    num_used = num_rows // batch_size * batch_size if drop_remainder else num_rows
    starts = tf.data.Dataset.range(0, num_used, batch_size)

    def end(start: Tensor) -> Tensor:
        return tf.minimum(start + batch_size, num_used)

    def with_length(rows: Tensor) -> Tensor:
        return tf.ensure_shape(rows, [batch_size if drop_remainder else None])

    if seed is None:
        return starts.map(as_written(lambda start: with_length(tf.range(start, end(start)))))

    def draw(epoch_seed: Tensor) -> Tensor:
        return tf.random.experimental.stateless_shuffle(
            tf.range(num_rows, dtype=tf.int64), seed=tf.stack([epoch_seed, seed])
        )

    # The order is handed on from batch to batch. A dataset of its own within `flat_map` would be
    # set up at each epoch's start, which takes as long as some thirty batches.
    @as_written
    def cut(order: Tensor, start_and_seed: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        start, epoch_seed = start_and_seed
        order = tf.cond(start == 0, lambda: draw(epoch_seed), lambda: order)
        return order, with_length(order[start : end(start)])

    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    return tf.data.Dataset.zip((starts, seeds)).scan(tf.zeros([0], tf.int64), cut)


def _target_finder(
    examples: Examples, preprocessor: Preprocessor, schema: Schema
) -> Callable[[Tensor, Mapping[str, Tensor]], Tensor] | None:
    """Returns what tells which events of a history are of the row's own item.

    A function of rows, `[B]`, and of their features, to bool `[B, L]`.
    """
    if schema.history is None:
        return None
    name, item_id = schema.history.name, schema.item_id
    if UNKNOWN_INDEX not in id_indices(item_id, examples, preprocessor, schema):
        return lambda _, features: tf.equal(features[name], features[item_id][:, tf.newaxis])
    # Ids are compared, since all items that training has met too seldom have one index.
    history, length = examples.lists[name], schema.history.max_length
    ids = np.concatenate([history.values, examples.columns[item_id]])
    codes = pd.factorize(ids)[0].astype(np.int64) + 1  # 0 is no event.
    events = gather_events({"events": codes[: len(history.values)]}, history, length)
    with tf.device("CPU:0"):
        targets = tf.constant(codes[len(history.values) :])

    def find(rows: Tensor, _: Mapping[str, Tensor]) -> Tensor:
        return tf.equal(events(rows)["events"], tf.gather(targets, rows)[:, tf.newaxis])

    return find


def without_target(
    features: Mapping[str, Tensor], is_target: Tensor, schema: Schema
) -> dict[str, Tensor]:
    """Makes each row's own item padding in its history, and what is told of the event 0.

    Args:
        features: Transformed features, the history among them.
        is_target: bool `[B, L]`, which events of the history are of the row's own item.
        schema: Features, with a history.

    Returns:
        The history and what is told of its events, by name.
    """
    history = schema.history
    assert history is not None
    columns = {name: features[name] for name in (history.name, *history.aligned.values())}
    # Padding is 0, too.
    return {
        name: tf.where(is_target, tf.zeros_like(column), column) for name, column in columns.items()
    }


def label_values(
    schema: Schema, examples: Examples, catalogue: Examples, rows_of_items: IntArray
) -> dict[str, Array]:
    """Reads the columns that `label_columns` names, of the rows or of their items.

    Args:
        schema: Features and tasks.
        examples: What `make_examples` returned.
        catalogue: What `catalogue_examples` returned.
        rows_of_items: Each row's item as a row of the catalogue, as `item_rows` tells.

    Returns:
        Values `[len(examples)]` by column.

    Raises:
        ValueError: If a column is in neither.
    """
    columns = {}
    for name in label_columns(schema):
        if name in examples.columns:
            columns[name] = examples.columns[name]
        elif name in catalogue.columns:
            columns[name] = catalogue.columns[name][rows_of_items]
        else:
            raise ValueError(missing_labels_message([name], examples))
    return columns
