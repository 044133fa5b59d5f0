"""Measures a model, and the baselines beside it, on held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy import sparse

from recsys_tf.baselines import BASELINES, Baseline, RatingBaseline
from recsys_tf.event_pairs import EventPairs
from recsys_tf.features import make_dataset, transform_catalogue
from recsys_tf.metrics import TASK_METRICS, RankingValues, ranking_values, rmse
from recsys_tf.models import MultitaskModel, Recommender
from recsys_tf.naming import look_up
from recsys_tf.preparation import Part, PreparedData
from recsys_tf.schema import TaskSpec
from recsys_tf.table_preparation import PreparedTable
from recsys_tf.types import NUM_RESERVED_INDICES, Array, FloatArray, IntArray

Metrics = dict[str, float]
"""Values by `<task>/<metric>`, such as `watch/ndcg_at_10` or `rating/rmse`."""


@dataclass(frozen=True)
class RankingProblem:
    """Which items each user's list should hold, and which it must not.

    Attributes:
        seen: `[U, N]`, the known events; left out of the lists.
        known_positives: `[U, N]`, those of them that are positives of retrieval: what a baseline
            learns from, as the model does.
        relevant: `[U, N]`, the held-out positives.
        first_rows: `[U]`, the earliest of the user's held-out positives in `events`, -1 where
            there is none; its context is the context of the question.
    """

    seen: sparse.csr_matrix
    known_positives: sparse.csr_matrix
    relevant: sparse.csr_matrix
    first_rows: IntArray

    @property
    def is_new_user(self) -> Array:
        """Bool `[U]`, True where nothing of the user is known."""
        return np.diff(self.seen.indptr) == 0


def ranking_problem(data: PreparedData, part: Part) -> RankingProblem:
    """Makes the ranking problem of a part; users and items in the order of their frames.

    A row whose weight in the retrieval task is 0 is no positive; other weights do not count.

    Args:
        data: The data.
        part: A part that was held out.

    Returns:
        The problem.

    Raises:
        ValueError: If rows of the part were trained on: what is known is left out of the lists,
            and nothing would be left to be found.
    """
    pairs, known, held_out = EventPairs(data), data.known_rows(part), data.rows(part)
    num_known = int(np.isin(held_out, known).sum())
    if num_known:
        raise ValueError(
            f"`part` must be held out to be ranked, received {part!r}, {num_known:,} of whose "
            f"{len(held_out):,} rows were trained on; rank another part (`evaluate_tasks` "
            "measures the tasks with a label on any)."
        )
    rows = pairs.positives(held_out)
    return RankingProblem(
        pairs.matrix(known),
        pairs.matrix(pairs.positives(known)),
        pairs.matrix(rows),
        pairs.first_rows(rows),
    )


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
        Values by `<task>/<metric>`.

    Raises:
        ValueError: If there is retrieval to be measured and rows of the part were trained on.
    """
    metrics: Metrics = {}
    if data.schema.retrieval_task is not None:
        values = model_ranking(model, data, part, on_users_done=on_users_done)
        metrics |= _named(data.schema.retrieval_task.name, values.means())
    metrics |= evaluate_tasks(model, data, part)
    return metrics


def model_ranking(
    model: Recommender,
    data: PreparedData,
    part: Part = "test",
    *,
    on_users_done: Callable[[int], object] | None = None,
) -> RankingValues:
    """Ranks the whole catalogue for each user of a part; see `evaluate`."""
    problem = ranking_problem(data, part)
    asked = np.flatnonzero(problem.first_rows >= 0)
    queries = query_embeddings(model, data, part, problem.first_rows[asked])
    place = np.zeros(len(problem.first_rows), np.int64)
    place[asked] = np.arange(len(asked))
    candidates = candidate_embeddings(model, data).T
    config = data.config.evaluation
    return ranking_values(
        lambda users: queries[place[users]] @ candidates,
        asked,
        problem.seen if config.is_seen_excluded else None,
        problem.relevant,
        config.cutoffs,
        config.user_batch_size,
        on_users_done,
    )


def query_embeddings(
    model: Recommender, data: PreparedData, part: Part, rows: IntArray
) -> FloatArray:
    """Computes the query tower's output for rows of `events`, float32 `[len(rows), D]`."""
    dataset = make_dataset(
        data.examples(part, rows),
        data.catalogue,
        data.preprocessor,
        data.schema,
        data.config.training.batch_size,
        # A user may meet an item again: what is known of the past is no leak.
        is_target_masked=False,
    )
    tower = model.query_tower
    names = list(tower.input)

    @tf.function(reduce_retracing=True)
    def embed(features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tower({name: features[name] for name in names})["embedding"]

    nobody = np.zeros((0, tower.output["embedding"].shape[-1]), np.float32)
    return np.concatenate([nobody, *(embed(features).numpy() for features, _, _ in dataset)])


def candidate_embeddings(model: Recommender, data: PreparedData) -> FloatArray:
    """Computes the candidate tower's output for the whole catalogue, float32 `[N, D]`."""
    columns = transform_catalogue(data.catalogue, data.preprocessor, data.schema)
    outputs = model.candidate_tower.predict(columns, batch_size=1024, verbose=0)
    return outputs["embedding"]


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
    tasks = [task for task in data.schema.tasks if task.kind in TASK_METRICS]
    if not tasks:
        return {}
    # In one pass: two passes over training rows come in two orders.
    batches = [
        (labels, model.predict_on_batch(features), weights)
        for features, labels, weights in data.dataset(part)
    ]
    metrics: Metrics = {}
    for task in tasks:
        rows = [
            np.concatenate([each[task.name] for each in of_batches])
            for of_batches in zip(*batches, strict=True)
        ]
        if task.kind == "multilabel":
            # Padding and "unknown" are labels that never are true.
            rows[:2] = (each[:, NUM_RESERVED_INDICES:] for each in rows[:2])
        values = {name: metric(*rows) for name, metric in TASK_METRICS[task.kind].items()}
        metrics |= _named(task.name, values)
    return metrics


def evaluate_baselines(
    data: PreparedData,
    part: Part = "test",
    names: Iterable[str] | Mapping[str, Baseline] = ("popularity", "bias", "ease"),
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

    Returns:
        By baseline, values by `<task>/<metric>`: of the retrieval task, and for baselines that
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
    retrieval = data.schema.retrieval_task
    ratings = next((each for each in data.schema.ranking_tasks if each.kind == "regression"), None)
    results: dict[str, Metrics] = {}
    for name, baseline in names.items():
        results[name] = {}
        # A baseline of ratings has an opinion, not an intention: it is measured on ratings.
        if isinstance(baseline, RatingBaseline):
            if ratings is not None:
                results[name] = {
                    f"{ratings.name}/rmse": _baseline_rmse(baseline, pairs, part, ratings)
                }
        elif retrieval is not None:
            times = _times_for(baseline, pairs, pairs.positives(data.known_rows(part)))
            baseline.fit(problem.known_positives, times)
            values = ranking_values(
                baseline.scores,
                None,
                problem.seen if data.config.evaluation.is_seen_excluded else None,
                problem.relevant,
                data.config.evaluation.cutoffs,
                data.config.evaluation.user_batch_size,
            )
            results[name] = _named(retrieval.name, values.means())
    return results


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


def _named(task: str, values: Mapping[str, float]) -> Metrics:
    return {f"{task}/{name}": float(value) for name, value in values.items()}
