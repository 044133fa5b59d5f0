"""Metrics of rankings, ratings and probabilities, on NumPy arrays."""

from collections.abc import Callable

from recsys_tf.metrics.beyond_accuracy import coverage
from recsys_tf.metrics.classification import (
    binary_accuracy,
    binary_f1,
    macro_f1,
    multiclass_accuracy,
)
from recsys_tf.metrics.probability import auc, log_loss, multiclass_log_loss
from recsys_tf.metrics.ranking import (
    average_precision,
    hit_rate,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
    relevance_at_places,
)
from recsys_tf.metrics.ranking_evaluation import (
    RANKING_METRICS,
    RankingValues,
    ranking_metrics,
    ranking_values,
)
from recsys_tf.metrics.rating import mae, rmse
from recsys_tf.metrics.slices import by_slice
from recsys_tf.metrics.top_k import NO_ITEM, top_k
from recsys_tf.metrics.undefined import UndefinedMetricWarning

TASK_METRICS: dict[str, dict[str, Callable[..., float]]] = {
    "regression": {"rmse": rmse, "mae": mae},
    "binary": {
        "auc": auc,
        "log_loss": log_loss,
        "accuracy": binary_accuracy,
        "f1": binary_f1,
    },
    "multiclass": {
        "log_loss": multiclass_log_loss,
        "accuracy": multiclass_accuracy,
        "f1": macro_f1,
    },
    "multilabel": {"log_loss": log_loss, "accuracy": binary_accuracy, "f1": binary_f1},
}
"""Metrics by kind of task and name: `(labels, predictions, weights) -> float`."""

LIST_METRICS = {"coverage": coverage}
"""Metrics of all lists together by name: `(top_items [U, K], num_items) -> float`."""

__all__ = [
    "LIST_METRICS",
    "NO_ITEM",
    "RANKING_METRICS",
    "TASK_METRICS",
    "RankingValues",
    "UndefinedMetricWarning",
    "auc",
    "average_precision",
    "binary_accuracy",
    "binary_f1",
    "by_slice",
    "coverage",
    "hit_rate",
    "log_loss",
    "macro_f1",
    "mae",
    "multiclass_accuracy",
    "multiclass_log_loss",
    "ndcg",
    "precision",
    "ranking_metrics",
    "ranking_values",
    "recall",
    "reciprocal_rank",
    "relevance_at_places",
    "rmse",
    "top_k",
]
