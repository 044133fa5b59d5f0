"""Metrics of rankings, ratings and probabilities, on NumPy arrays."""

from recsys_tf.metrics.beyond_accuracy import coverage
from recsys_tf.metrics.bootstrap import (
    Interval,
    Statistic,
    bootstrap_interval,
    mean_intervals,
    mean_of_users,
)
from recsys_tf.metrics.bootstrap_rows import auc_of_users, metric_of_users
from recsys_tf.metrics.calibration import (
    BINNINGS,
    ReliabilityCurve,
    expected_calibration_error,
    maximum_calibration_error,
    reliability_curve,
)
from recsys_tf.metrics.classification import (
    binary_accuracy,
    binary_f1,
    macro_f1,
    multiclass_accuracy,
)
from recsys_tf.metrics.diversity import DISTANCES, intra_list_diversity
from recsys_tf.metrics.expected_ndcg import expected_ndcg
from recsys_tf.metrics.exposure import exposure_entropy, exposure_gini
from recsys_tf.metrics.grouped_auc import GroupAucs, gauc, group_aucs
from recsys_tf.metrics.negatives import draw_negatives
from recsys_tf.metrics.novelty import mean_popularity, novelty
from recsys_tf.metrics.paired import (
    PAIRED_TESTS,
    PairedTest,
    paired_bootstrap,
    paired_t,
    paired_test,
    paired_wilcoxon,
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
from recsys_tf.metrics.sampled_ranking import (
    sampled_ranking_metrics,
    sampled_ranking_values,
    sampled_ranks,
    values_of_ranks,
)
from recsys_tf.metrics.serendipity import (
    popularity_serendipity,
    serendipity,
    unexpectedness,
)
from recsys_tf.metrics.slices import by_slice
from recsys_tf.metrics.tables import (
    FURTHER_METRICS,
    LIST_METRICS,
    ROW_METRICS,
    TASK_METRICS,
    USER_LIST_METRICS,
    Lists,
)
from recsys_tf.metrics.top_k import NO_ITEM, top_k
from recsys_tf.metrics.undefined import UndefinedMetricWarning

__all__ = [
    "BINNINGS",
    "DISTANCES",
    "FURTHER_METRICS",
    "LIST_METRICS",
    "NO_ITEM",
    "PAIRED_TESTS",
    "RANKING_METRICS",
    "ROW_METRICS",
    "TASK_METRICS",
    "USER_LIST_METRICS",
    "GroupAucs",
    "Interval",
    "Lists",
    "PairedTest",
    "RankingValues",
    "ReliabilityCurve",
    "Statistic",
    "UndefinedMetricWarning",
    "auc",
    "auc_of_users",
    "average_precision",
    "binary_accuracy",
    "binary_f1",
    "bootstrap_interval",
    "by_slice",
    "coverage",
    "draw_negatives",
    "expected_calibration_error",
    "expected_ndcg",
    "exposure_entropy",
    "exposure_gini",
    "gauc",
    "group_aucs",
    "hit_rate",
    "intra_list_diversity",
    "log_loss",
    "macro_f1",
    "mae",
    "maximum_calibration_error",
    "mean_intervals",
    "mean_of_users",
    "mean_popularity",
    "metric_of_users",
    "multiclass_accuracy",
    "multiclass_log_loss",
    "ndcg",
    "novelty",
    "paired_bootstrap",
    "paired_t",
    "paired_test",
    "paired_wilcoxon",
    "popularity_serendipity",
    "precision",
    "ranking_metrics",
    "ranking_values",
    "recall",
    "reciprocal_rank",
    "relevance_at_places",
    "reliability_curve",
    "rmse",
    "sampled_ranking_metrics",
    "sampled_ranking_values",
    "sampled_ranks",
    "serendipity",
    "top_k",
    "unexpectedness",
    "values_of_ranks",
]
