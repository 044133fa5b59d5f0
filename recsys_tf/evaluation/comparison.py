"""Is one trained model better than another on the same users?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from recsys_tf.evaluation.measurements import Measurements
from recsys_tf.metrics import PairedTest, paired_bootstrap
from recsys_tf.preparation import EventPairs, Part, PreparedData
from recsys_tf.types import Array


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
        ValueError: If the parts differ; or as `check_same_questions` or `Measurements.statistic`.
    """
    if first.part != second.part:
        raise ValueError(
            f"`second` must be measured on the {first.part} rows, as `first` is, received "
            f"{second.part} rows."
        )
    check_same_questions(first.data, second.data, first.part)
    if names is None:
        others = set(testable(second))
        names = [name for name in testable(first) if name in others]
    return {
        name: paired_bootstrap(first.statistic(name), second.statistic(name), level)
        for name in names
    }


def testable(measured: Measurements) -> list[str]:
    """Names the metrics that a paired test is made of: of the lists, and `row_statistics`."""
    lists = {} if measured.ranking is None else measured.ranking.by_user
    return [*(f"{measured.retrieval_name}/{name}" for name in lists), *measured.row_statistics]


def check_same_questions(first: PreparedData, second: PreparedData, part: Part) -> None:
    """Checks that two models of these data are asked the same, before either is measured.

    Args:
        first: What one model was trained on.
        second: What the other was.
        part: The part that both are measured on.

    Raises:
        ValueError: If the part holds other rows, or rows of other users and items; if there are
            other users or items at all; if a task of the same name has other numbers for labels,
            or other weights; if lists of the same name have other positives; or if one list leaves
            out what the user has met and the other does not.
    """
    rows = [each.rows(part) for each in (first, second)]
    if not np.array_equal(rows[0], rows[1]):
        raise ValueError(
            f"`second` must be measured on the {len(rows[0]):,} {part} rows of `first`, received "
            f"{len(rows[1]):,} {part} rows that are not the same; compare models of the same data "
            "and split."
        )
    ids = [_ids(each, part) for each in (first, second)]
    for name, of_first in ids[0].items():
        if not np.array_equal(of_first, ids[1][name]):
            raise ValueError(
                f"`second` must be measured on the {name} of `first`, received other ids or the "
                "same in another order; compare models of the same data and split."
            )
    tasks = [{task.name: task for task in each.schema.tasks} for each in (first, second)]
    for name in tasks[0].keys() & tasks[1].keys():
        # What a head is made of may differ; what it is measured by may not.
        fields = ("kind", "label", "sample_weight", "positive_at_least")
        one, other = (tuple(getattr(each[name], f) for f in fields) for each in tasks)
        if one != other:
            raise ValueError(
                f"the task {name!r} must have the same {', '.join(fields)} in both models, "
                f"received {one} and {other}; rename one of the tasks."
            )
    answers = [_answers(each, part) for each in (first, second)]
    for name, of_first in answers[0].items():
        of_second = answers[1].get(name, of_first)
        if not np.array_equal(of_first, of_second, equal_nan=True):
            raise ValueError(
                f"`second` must be measured by the {name} of `first`, received others; compare "
                "models of the same data and split, or rename the task of one of them."
            )
    evaluations = [each.config.evaluation for each in (first, second)]
    if evaluations[0].is_seen_excluded is not evaluations[1].is_seen_excluded:
        raise ValueError(
            "`evaluation.is_seen_excluded` must be the same for both models: their lists would "
            "be of other items."
        )


def _ids(data: PreparedData, part: Part) -> dict[str, Array]:
    """Whom and what the rows of a part are of, and whom and what there is: users go by place."""
    frames, schema, rows = data.interactions, data.schema, data.rows(part)
    columns = {
        "users": frames.users[schema.user_id],
        "items": frames.items[schema.item_id],
        f"users of the {part} rows": frames.events[schema.user_id].iloc[rows],
        f"items of the {part} rows": frames.events[schema.item_id].iloc[rows],
    }
    return {name: column.to_numpy(dtype=object) for name, column in columns.items()}


def _answers(data: PreparedData, part: Part) -> dict[str, Array]:
    """What the rows of a part are measured by: positives of lists, labels and weights of tasks."""
    pairs, rows, lists = EventPairs(data), data.rows(part), data.ranked_as
    found: dict[str, Array] = {}
    if lists is not None:
        found[f"positives of the lists {lists!r}"] = pairs.positives(rows)
    for task in data.schema.tasks:
        if task.kind in ("regression", "binary"):
            found[f"labels of the task {task.name!r}"] = pairs.column(str(task.label))[rows]
            found[f"weights of the task {task.name!r}"] = pairs.weights(task)[rows]
    return found
