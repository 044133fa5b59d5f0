"""Where a model starts: at what can be counted, so that no epoch is spent on finding it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import keras
import numpy as np

from recsys_tf.config import RunConfig
from recsys_tf.models import Recommender
from recsys_tf.schema import Schema, TaskSpec
from recsys_tf.types import Array, FloatArray, IntArray

_PRIOR_ROWS = 10.0
"""Rows with the mean label that are counted along for each item, which few rows do not outweigh."""

# A class without a row would send the log odds to infinity.
_LOWEST_SHARE = 1e-3


def new_recommender(
    config: RunConfig,
    schema: Schema,
    num_indices: Mapping[str, int],
    items: IntArray,
    labels: Mapping[str, Array],
    row_weights: FloatArray | None = None,
) -> Recommender:
    """Builds the model of a run and starts it at what the training rows say of each item.

    The heads start at their labels' means or log odds, each item's bias in a task at the distance
    of its own labels from them, and in retrieval at the logarithm of its popularity.

    Args:
        config: Sizes, blocks and seed.
        schema: Features and tasks.
        num_indices: Rows of each feature's embedding table.
        items: int `[n]`, item index of each training row.
        labels: Raw label columns of the training rows by name, float `[n]`, NaN where missing.
        row_weights: float `[n]`; None weighs all rows alike.

    Returns:
        The model, with the other weights drawn from `training.seed`.
    """
    keras.utils.set_random_seed(config.training.seed)
    if config.training.is_mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    targets = dict(_targets(schema, labels))
    model = Recommender(
        schema,
        num_indices,
        config.model,
        config.retrieval,
        initial_biases={
            task.name: _logit(task, float(np.nanmean(target))) for task, target in targets.items()
        },
    )
    size = num_indices[schema.item_id]
    model.set_item_counts(
        np.bincount(items, minlength=size),
        None if row_weights is None else np.bincount(items, row_weights, minlength=size),
    )
    model.set_label_biases(
        {task.name: label_biases(task, target, items, size) for task, target in targets.items()}
    )
    return model


def label_biases(
    task: TaskSpec,
    target: FloatArray,
    items: IntArray,
    num_indices: int,
) -> FloatArray:
    """Computes how far each item's mean label lies from the mean of all, as a logit.

    Rows weigh alike here, however old: what is liked changes less than what is popular, and fewer
    rows tell less. The item's mean counts ten rows of the mean of all along, so that an item with
    few rows stays near it.

    Args:
        task: A regression or a binary task.
        target: float `[n]`, the labels, NaN where missing; one at least is not.
        items: int `[n]`, item index of each row.
        num_indices: Number of item indices.

    Returns:
        float `[num_indices]`; 0 for an item without a labelled row.
    """
    is_given = np.isfinite(target)
    target, items = target[is_given], items[is_given]
    overall = float(np.mean(target))
    rows = np.bincount(items, minlength=num_indices)
    sums = np.bincount(items, target, num_indices)
    means = (sums + _PRIOR_ROWS * overall) / (rows + _PRIOR_ROWS)
    return np.array([_logit(task, mean) for mean in means]) - _logit(task, overall)


def _targets(schema: Schema, columns: Mapping[str, Array]) -> Iterator[tuple[TaskSpec, FloatArray]]:
    """Yields the tasks of one number a row that have a label, and their labels."""
    for task in schema.ranking_tasks:
        if task.kind not in ("regression", "binary"):
            continue
        target = columns[str(task.label)].astype("float64")
        target[~np.isfinite(target)] = np.nan
        if task.positive_at_least is not None:
            target = np.where(np.isnan(target), np.nan, target >= task.positive_at_least)
        if np.isfinite(target).any():
            yield task, target


def _logit(task: TaskSpec, mean: float) -> float:
    if task.kind == "regression":
        return float(mean)
    share = min(max(float(mean), _LOWEST_SHARE), 1 - _LOWEST_SHARE)
    return math.log(share / (1 - share))
