"""Measures a model, and the baselines beside it, on held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from scipy import sparse

from recsys_tf.baselines import BASELINES, Baseline, RatingBaseline
from recsys_tf.evaluation.measurements import Metrics, measure, named, row_metrics, task_rows
from recsys_tf.evaluation.ranking import RankingProblem, ranking_problem
from recsys_tf.metrics import ranking_values, rmse
from recsys_tf.models import MultitaskModel, Recommender
from recsys_tf.naming import look_up
from recsys_tf.preparation import EventPairs, Part, PreparedData, PreparedTable
from recsys_tf.schema import TaskSpec
from recsys_tf.types import IntArray


def evaluate(
    model: Recommender,
    data: PreparedData,
    part: Part = "test",
    *,
    on_users_done: Callable[[int], object] | None = None,
) -> Metrics:
    """Measures every task of a model.

    Retrieval ranks the whole catalogue for each user that has held-out positives, with the
    history and the context of that moment. The other tasks are measured on the held-out rows that
    have their label.

    Args:
        model: A trained model.
        data: What it was trained on.
        part: The part to measure on.
        on_users_done: Called with the number of users after each block that was ranked.

    Returns:
        Values by `<task>/<metric>`, with those of `evaluation.metrics`; `measure` also tells slices
        and intervals.

    Raises:
        ValueError: If there is retrieval to be measured and rows of the part were trained on.
    """
    return measure(model, data, part, on_users_done=on_users_done).metrics


def evaluate_tasks(
    model: MultitaskModel, data: PreparedData | PreparedTable, part: Part = "test"
) -> Metrics:
    """Measures the tasks with a label on the rows of a part.

    Args:
        model: A trained model.
        data: What it was trained on.
        part: The part to measure on; training rows by the weights that they are trained with.

    Returns:
        Values by `<task>/<metric>`.
    """
    return row_metrics(data.schema, task_rows(model, data, part))


def evaluate_baselines(
    data: PreparedData,
    part: Part = "test",
    names: Iterable[str] | Mapping[str, Baseline] = ("popularity", "bias", "ease"),
    *,
    around: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> dict[str, Metrics]:
    """Trains and measures baselines, as strong as what may be known makes them.

    A baseline learns from all rows that may be known by then: for the test part these are the
    training and the validation rows, of which the model has the second to be chosen by only, unless
    the data are prepared with `is_validation_trained`. Of retrieval it learns from the positives.

    Args:
        data: The data.
        part: The part to measure on, held out.
        names: Keys of `BASELINES`, which are measured with their default settings; or baselines
            that were made with others, each by a name of one's own.
        around: Called with each name; what it returns is entered while that baseline is trained and
            measured, say to show how long it takes.

    Returns:
        By baseline, values by `<task>/<metric>`: of the users' lists, and for baselines that
        predict ratings the RMSE of the first regression task without `from_features`, over the
        rows and with the weights that the model is measured by. Rows of weight 0 are not learned
        from either.

    Raises:
        ValueError: If a name is not known, rows of the part were trained on, or a baseline with a
            half-life meets data whose times cannot be compared between users.
    """
    if not isinstance(names, Mapping):
        names = {name: look_up(BASELINES, name, "baseline")() for name in names}
    pairs, problem = EventPairs(data), ranking_problem(data, part)
    lists = data.ranked_as
    ratings = next((each for each in data.schema.ranking_tasks if each.kind == "regression"), None)
    results: dict[str, Metrics] = {}
    for name, baseline in names.items():
        results[name] = {}
        with around(name):
            # A baseline of ratings has an opinion, not an intention: it is measured on ratings.
            if isinstance(baseline, RatingBaseline):
                if ratings is not None:
                    error = _baseline_rmse(baseline, pairs, part, ratings)
                    results[name] = {f"{ratings.name}/rmse": error}
            elif lists is not None:
                results[name] = named(lists, _baseline_lists(baseline, pairs, part, problem))
    return results


def _baseline_lists(
    baseline: Baseline, pairs: EventPairs, part: Part, problem: RankingProblem
) -> Metrics:
    data, config = pairs.data, pairs.data.config.evaluation
    times = _times_for(baseline, pairs, pairs.positives(data.known_rows(part)))
    baseline.fit(problem.known_positives, times)
    values = ranking_values(
        baseline.scores,
        None,
        problem.seen if config.is_seen_excluded else None,
        problem.relevant,
        config.cutoffs,
        config.user_batch_size,
    )
    return values.means()


def _baseline_rmse(
    baseline: RatingBaseline, pairs: EventPairs, part: Part, task: TaskSpec
) -> float:
    labels, weights = pairs.column(str(task.label)), pairs.weights(task)
    known, rows = pairs.data.known_rows(part), pairs.data.rows(part)
    # A row without a label is left out, and of a pair's ratings the last one counts.
    known = pairs.by_time(known[(weights[known] > 0) & ~np.isnan(labels[known])])
    baseline.fit(pairs.matrix(known, labels[known]), _times_for(baseline, pairs, known))
    predictions = baseline.predict(pairs.users[rows], pairs.items[rows])
    return rmse(labels[rows], predictions, weights[rows])


def _times_for(baseline: Baseline, pairs: EventPairs, rows: IntArray) -> sparse.csr_matrix | None:
    """Times are read where a half-life is set only."""
    return None if baseline.popularity_half_life_days is None else pairs.last_times(rows)
