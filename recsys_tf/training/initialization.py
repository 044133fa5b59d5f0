"""Where a model starts: at what can be counted, so that no epoch is spent on finding it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np

from recsys_tf.config import ModelConfig, RunConfig, TrainingConfig
from recsys_tf.models import Ranker, Recommender
from recsys_tf.models.bilinear_logits import is_bilinear_alone
from recsys_tf.models.block_options import check_blocks
from recsys_tf.models.chains import CHAINS
from recsys_tf.schema import FeaturesAndTasks, Schema, TaskSpec
from recsys_tf.types import Array, FloatArray, IntArray

_PRIOR_ROWS = 10.0
"""Rows with the mean label that are counted along for each item, which few rows do not outweigh."""

# A class without a row would send the log odds to infinity.
_LOWEST_SHARE = 1e-3


def new_recommender(
    config: RunConfig,
    schema: Schema,
    num_indices: Mapping[str, int],
    indices: Mapping[str, IntArray],
    labels: Mapping[str, Array],
    row_weights: FloatArray | None = None,
    catalogue: Mapping[str, Array] | None = None,
    num_unknown_items: int = 1,
    history_content: FloatArray | None = None,
) -> Recommender:
    """Builds the model of a run and starts it at what the training rows say of users and items.

    The heads start at their labels' means or log odds, each item's and each user's bias in a task
    at the distance of its own labels from there, and in retrieval each item's at the logarithm of
    its popularity.

    Args:
        config: Sizes, blocks and seed.
        schema: Features and tasks.
        num_indices: Rows of each feature's embedding table.
        indices: By the names of the user's and the item's id, int `[n]`: the index that each
            training row has.
        labels: Raw columns of the training rows' labels and sample weights by name, float `[n]`,
            NaN where missing. Rows of weight 0 tell nothing of the task.
        row_weights: float `[n]`; None weighs all rows alike.
        catalogue: What `transform_catalogue` returned; needed where the loss of retrieval is one
            over the whole catalogue.
        num_unknown_items: Different items that the rows with the index of the unknown one are of,
            where `min_count` of the item's id leaves several without an index of their own; 1
            where it is none.
        history_content: What `history_content` of `recsys_tf.preparation` returned; needed where
            `model.history_features` names some.

    Returns:
        The model, with the other weights drawn from `training.seed`.

    Raises:
        SpecError: If a block or an option is not known; the text lists every fault.
    """
    check_blocks(config.model, config.training, config.retrieval)
    keras.utils.set_random_seed(config.training.seed)
    items, num_items = indices[schema.item_id], num_indices[schema.item_id]
    users, num_users = indices[schema.user_id], num_indices[schema.user_id]
    initial, of_items, of_users = {}, {}, {}
    for task, target in _targets(schema, labels, config.model):
        expected = np.full(len(target), np.nanmean(target))
        start = _logits(task, expected)
        initial[task.name] = float(start[0])
        of_items[task.name] = label_biases(task, target, expected, items, num_items)
        expected = _means(task, start + of_items[task.name][items])
        of_users[task.name] = label_biases(task, target, expected, users, num_users)
    model = Recommender(
        schema,
        num_indices,
        config.model,
        config.retrieval,
        initial_biases=initial,
        catalogue=catalogue,
        history_content=history_content,
        dtype=layers_dtype(config.training),
    )
    model.set_item_counts(
        np.bincount(items, minlength=num_items),
        None if row_weights is None else np.bincount(items, row_weights, minlength=num_items),
        num_unknown_items,
    )
    if not is_bilinear_alone(config.model):
        model.set_label_biases("candidate", of_items)
        model.set_label_biases("query", of_users)
    return model


def new_ranker(
    config: RunConfig,
    schema: FeaturesAndTasks,
    num_indices: Mapping[str, int],
    labels: Mapping[str, Array],
) -> Ranker:
    """Builds a ranker whose heads start at their labels' means or log odds.

    Args:
        config: Sizes, blocks and seed.
        schema: Features and tasks.
        num_indices: Rows of each feature's embedding table.
        labels: Raw columns of the training rows' labels and sample weights by name, float `[n]`,
            NaN where missing. Rows of weight 0 tell nothing of the task.

    Returns:
        The model, with the other weights drawn from `training.seed`.

    Raises:
        SpecError: If a block or an option is not known; the text lists every fault.
    """
    check_blocks(config.model, config.training)
    keras.utils.set_random_seed(config.training.seed)
    initial = {
        task.name: float(_logits(task, np.asarray(np.nanmean(target))))
        for task, target in _targets(schema, labels, config.model)
    }
    return Ranker(
        schema,
        num_indices,
        config.model,
        initial_biases=initial,
        dtype=layers_dtype(config.training),
    )


def label_biases(
    task: TaskSpec, target: FloatArray, expected: FloatArray, keys: IntArray, num_keys: int
) -> FloatArray:
    """Computes how far the labels of each user or item lie from what is expected, as a logit.

    Rows weigh alike here, however old: what is liked changes less than what is popular, and fewer
    rows tell less. Ten rows that are as expected are counted along, so that a user or item with
    few rows stays near it.

    Args:
        task: A regression or a binary task.
        target: float `[n]`, the labels, NaN where missing.
        expected: float `[n]`, the mean label that is expected of each row.
        keys: int `[n]`, whose rows they are.
        num_keys: Number of users or items.

    Returns:
        float `[num_keys]`; 0 for one without a labelled row.
    """
    is_given = np.isfinite(target)
    target, expected, keys = target[is_given], expected[is_given], keys[is_given]
    rows = np.bincount(keys, minlength=num_keys)
    expected_sums = np.bincount(keys, expected, num_keys)
    sums = np.bincount(keys, target, num_keys)
    is_known = rows > 0
    rows = np.maximum(rows, 1)
    means = expected_sums / rows
    shrunk = (sums + _PRIOR_ROWS * means) / (rows + _PRIOR_ROWS)
    return np.where(is_known, _logits(task, shrunk) - _logits(task, means), 0.0)


def layers_dtype(config: TrainingConfig) -> str | None:
    """Returns the policy of a model's layers; None is Keras's global one."""
    return "mixed_bfloat16" if config.is_mixed_precision else None


def _targets(
    schema: FeaturesAndTasks, columns: Mapping[str, Array], config: ModelConfig
) -> Iterator[tuple[TaskSpec, FloatArray]]:
    """Yields the tasks of one number a row that have a label, and what their heads learn."""
    for task in schema.single_tasks:
        target = _target(task, columns)
        if CHAINS[config.chain].is_product and task.after is not None:
            # The head tells the probability where the task before succeeds.
            success = _target(schema.task(task.after), columns)
            target = np.where(success == 1, target, np.nan)
        if np.isfinite(target).any():
            yield task, target


def _target(task: TaskSpec, columns: Mapping[str, Array]) -> FloatArray:
    target = columns[str(task.label)].astype("float64")
    target[~np.isfinite(target)] = np.nan
    # A weight may stand with the items, out of sight here.
    if task.sample_weight is not None and task.sample_weight in columns:
        target[columns[task.sample_weight] == 0] = np.nan
    if task.positive_at_least is not None:
        target = np.where(np.isnan(target), np.nan, target >= task.positive_at_least)
    return target


def _logits(task: TaskSpec, means: FloatArray) -> FloatArray:
    if task.kind == "regression":
        return means
    shares = np.clip(means, _LOWEST_SHARE, 1 - _LOWEST_SHARE)
    return np.log(shares / (1 - shares))


def _means(task: TaskSpec, logits: FloatArray) -> FloatArray:
    return logits if task.kind == "regression" else 1 / (1 + np.exp(-logits))
