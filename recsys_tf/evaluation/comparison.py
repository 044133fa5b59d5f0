"""Is one trained model better than another on the same users?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from recsys_tf.evaluation.measurements import Measurements
from recsys_tf.metrics import PairedTest, paired_bootstrap


def compare(
    first: Measurements,
    second: Measurements,
    names: Iterable[str] | None = None,
    level: float = 0.95,
) -> dict[str, PairedTest]:
    """Tests by `paired_bootstrap`, metric by metric, whether two models differ.

    For both the same users are drawn, each with his list and all his rows. Of many metrics some
    differ by chance: at a bound of 0.05 for the p value one in twenty.

    Args:
        first: What one model made of a part.
        second: What the other made of the same part of the same data.
        names: `<task>/<metric>`, of users' lists or of `TASK_METRICS`; None takes the `testable`
            that both have. Others than these compute the metric once a resample.
        level: Confidence level of the differences' intervals.

    Returns:
        By name, the difference first minus second, its interval and p value, and the users.

    Raises:
        ValueError: If the parts hold other rows, or a task of the same name has other labels,
            weights or positives; or as `Measurements.statistic`.
    """
    _check_same_rows(first, second)
    if names is None:
        others = set(testable(second))
        names = [name for name in testable(first) if name in others]
    return {
        name: paired_bootstrap(first.statistic(name), second.statistic(name), level)
        for name in names
    }


def testable(measured: Measurements) -> list[str]:
    """Names the metrics that a paired test is made of: of the lists, and `row_statistics`."""
    schema, names = measured.data.schema, []
    if measured.ranking is not None and schema.retrieval_task is not None:
        names += [f"{schema.retrieval_task.name}/{each}" for each in measured.ranking.by_user]
    return [*names, *measured.row_statistics]


def _check_same_rows(first: Measurements, second: Measurements) -> None:
    rows = [each.data.rows(each.part) for each in (first, second)]
    if first.part != second.part or not np.array_equal(rows[0], rows[1]):
        raise ValueError(
            f"`second` must be measured on the {len(rows[0]):,} {first.part} rows of `first`, "
            f"received {len(rows[1]):,} {second.part} rows that are not the same; compare models "
            "of the same data and split."
        )
    tasks = [{task.name: task for task in each.data.schema.tasks} for each in (first, second)]
    for name in tasks[0].keys() & tasks[1].keys():
        # What a head is made of may differ; what it is measured by may not.
        fields = ("kind", "label", "sample_weight", "positive_at_least")
        one, other = (tuple(getattr(each[name], f) for f in fields) for each in tasks)
        if one != other:
            raise ValueError(
                f"the task {name!r} must have the same {', '.join(fields)} in both models, "
                f"received {one} and {other}; rename one of the tasks."
            )
    evaluations = [each.data.config.evaluation for each in (first, second)]
    if evaluations[0].is_seen_excluded is not evaluations[1].is_seen_excluded:
        raise ValueError(
            "`evaluation.is_seen_excluded` must be the same for both models: their lists would "
            "be of other items."
        )
