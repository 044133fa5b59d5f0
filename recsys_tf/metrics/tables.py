"""The metrics by name: of rows by kind of task, of lists, and those that a run may ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scipy import sparse

from recsys_tf.metrics.beyond_accuracy import coverage
from recsys_tf.metrics.calibration import expected_calibration_error, maximum_calibration_error
from recsys_tf.metrics.classification import (
    binary_accuracy,
    binary_f1,
    macro_f1,
    multiclass_accuracy,
)
from recsys_tf.metrics.diversity import intra_list_diversity
from recsys_tf.metrics.exposure import exposure_entropy, exposure_gini
from recsys_tf.metrics.grouped_auc import gauc
from recsys_tf.metrics.novelty import mean_popularity, novelty
from recsys_tf.metrics.probability import auc, log_loss, multiclass_log_loss
from recsys_tf.metrics.rating import mae, rmse
from recsys_tf.metrics.serendipity import popularity_serendipity, serendipity, unexpectedness
from recsys_tf.types import Array, FloatArray, IntArray

TASK_METRICS: dict[str, dict[str, Callable[..., float]]] = {
    "regression": {"rmse": rmse, "mae": mae},
    "binary": {
        "auc": auc,
        "log_loss": log_loss,
        "accuracy": binary_accuracy,
        "f1": binary_f1,
        "ece": expected_calibration_error,
    },
    "multiclass": {
        "log_loss": multiclass_log_loss,
        "accuracy": multiclass_accuracy,
        "f1": macro_f1,
    },
    "multilabel": {"log_loss": log_loss, "accuracy": binary_accuracy, "f1": binary_f1},
}
"""Metrics by kind of task and name: `(labels, predictions, weights) -> float`."""

LIST_METRICS = {"coverage": coverage, "gini": exposure_gini, "entropy": exposure_entropy}
"""Metrics of all lists together by name: `(top_items [U, K], num_items) -> float`."""


@dataclass(frozen=True, eq=False)
class Lists:
    """The lists of a ranking, with what tells their worth.

    Attributes:
        top_items: int `[U, K]`, best first; negative places are empty.
        hits: bool `[U, K]`, whether the item is one of the user's held-out positives.
        item_counts: `[N]`, the users of whom the item is known.
        num_users: Users of whom anything is known.
        item_vectors: float `[N, D]`, the model's own embeddings.
        expected: Sparse `[U, N]`, the list that popularity alone would give the user.
    """

    top_items: IntArray
    hits: Array
    item_counts: Array
    num_users: int
    item_vectors: Array
    expected: sparse.csr_matrix


USER_LIST_METRICS: dict[str, Callable[[Lists], FloatArray]] = {
    "novelty": lambda lists: novelty(lists.top_items, lists.item_counts, lists.num_users),
    "mean_popularity": lambda lists: mean_popularity(lists.top_items, lists.item_counts),
    "intra_list_diversity": lambda lists: intra_list_diversity(lists.top_items, lists.item_vectors),
    "unexpectedness": lambda lists: unexpectedness(lists.top_items, lists.expected),
    "serendipity": lambda lists: serendipity(lists.top_items, lists.hits, lists.expected),
    "popularity_serendipity": lambda lists: popularity_serendipity(
        lists.top_items, lists.hits, lists.item_counts
    ),
}
"""Metrics of each user's list by name: `Lists -> [U]`."""

ROW_METRICS: dict[str, Callable[[Array, Array, Array, Array], float]] = {
    "gauc": gauc,
    "mce": lambda labels, predictions, users, weights: maximum_calibration_error(
        labels, predictions, weights
    ),
}
"""Further metrics of a binary task by name: `(labels, predictions, users, weights) -> float`."""

FURTHER_METRICS = (*LIST_METRICS, *USER_LIST_METRICS, *ROW_METRICS)
"""What `evaluation.metrics` may name."""
