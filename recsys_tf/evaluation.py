"""Measures a model, and the baselines beside it, on held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy import sparse

from recsys_tf.baselines import BASELINES, Baseline, RatingBaseline, interaction_matrix
from recsys_tf.features import make_dataset, transform_catalogue
from recsys_tf.metrics import TASK_METRICS, RankingValues, ranking_values, rmse
from recsys_tf.models import MultitaskModel, Recommender
from recsys_tf.naming import look_up
from recsys_tf.preparation import Part, PreparedData
from recsys_tf.schema import TaskSpec
from recsys_tf.table_preparation import PreparedTable
from recsys_tf.types import Array, FloatArray, IntArray

Metrics = dict[str, float]
"""Values by `<task>/<metric>`, such as `watch/ndcg_at_10` or `rating/rmse`."""


@dataclass(frozen=True)
class RankingProblem:
    """Which items each user's list should hold, and which it must not.

    Attributes:
        seen: `[U, N]`, the known events; left out of the lists.
        relevant: `[U, N]`, the held-out positives.
        first_rows: `[U]`, the user's first held-out row in `events`, -1 where there is none; its
            context is the context of the question.
    """

    seen: sparse.csr_matrix
    relevant: sparse.csr_matrix
    first_rows: IntArray

    @property
    def is_new_user(self) -> Array:
        """Bool `[U]`, True where nothing of the user is known."""
        return np.diff(self.seen.indptr) == 0


def ranking_problem(data: PreparedData, part: Part) -> RankingProblem:
    """Makes the ranking problem of a part; users and items in the order of their frames.

    A row whose weight in the retrieval task is 0 is no positive; other weights do not count.
    """
    users, items, shape = _pairs(data)
    known = data.known_rows(part)
    rows = data.rows(part)
    task = data.schema.retrieval_task
    if task is not None and task.label is not None:
        labels = data.interactions.events[task.label].to_numpy()[rows]
        rows = rows[labels >= task.positive_at_least]
    if task is not None:
        rows = rows[_weights(task, data, users, items)[rows] > 0]
    first = np.full(shape[0], -1)
    # Written from the last to the first, so that the first stays.
    first[users[rows[::-1]]] = rows[::-1]
    return RankingProblem(
        interaction_matrix(users[known], items[known], *shape),
        interaction_matrix(users[rows], items[rows], *shape),
        first,
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
    """Measures the tasks with a label on the held-out rows."""
    tasks = [task for task in data.schema.tasks if task.kind in TASK_METRICS]
    if not tasks:
        return {}
    dataset = data.dataset(part)
    predictions = model.predict(dataset.map(lambda features, *_: features), verbose=0)
    labels: dict[str, list[Array]] = {task.name: [] for task in tasks}
    weights: dict[str, list[Array]] = {task.name: [] for task in tasks}
    for _, of_batch, weights_of_batch in dataset.as_numpy_iterator():
        for task in tasks:
            labels[task.name].append(of_batch[task.name])
            weights[task.name].append(weights_of_batch[task.name])
    metrics: Metrics = {}
    for task in tasks:
        values = _task_values(
            task,
            np.concatenate(labels[task.name]),
            predictions[task.name],
            np.concatenate(weights[task.name]),
        )
        metrics |= _named(task.name, values)
    return metrics


def evaluate_baselines(
    data: PreparedData,
    part: Part = "test",
    names: Iterable[str] | Mapping[str, Baseline] = ("popularity", "bias", "ease"),
) -> dict[str, Metrics]:
    """Trains and measures baselines on the rows the model was trained on.

    Args:
        data: The data.
        part: The part to measure on.
        names: Keys of `BASELINES`, which are measured with their default settings; or baselines
            that were made with others, each by a name of one's own.

    Returns:
        By baseline, values by `<task>/<metric>`: of the retrieval task, and for baselines that
        predict ratings the RMSE of the first regression task without `from_features`, over the
        rows and with the weights that the model is measured by. Rows of weight 0 are not learned
        from either.

    Raises:
        ValueError: If a name is not known, or a baseline with a half-life meets data whose times
            cannot be compared between users.
    """
    if not isinstance(names, Mapping):
        names = {name: look_up(BASELINES, name, "baseline")() for name in names}
    problem = ranking_problem(data, part)
    times = _times(data, data.known_rows(part))
    retrieval = data.schema.retrieval_task
    ratings = next((each for each in data.schema.ranking_tasks if each.kind == "regression"), None)
    results: dict[str, Metrics] = {}
    for name, baseline in names.items():
        results[name] = {}
        # A baseline of ratings has an opinion, not an intention: it is measured on ratings.
        if isinstance(baseline, RatingBaseline):
            if ratings is not None:
                results[name] = {
                    f"{ratings.name}/rmse": _baseline_rmse(baseline, data, part, ratings)
                }
        elif retrieval is not None:
            baseline.fit(problem.seen, times)
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


def _times(data: PreparedData, rows: IntArray) -> sparse.csr_matrix | None:
    """When each pair of the rows was last seen, `[U, N]`; None where that means nothing."""
    if not data.interactions.is_time_comparable:
        return None
    users, items, shape = _pairs(data)
    seconds = data.interactions.events[data.schema.timestamp].to_numpy(dtype="float64")
    # Of a pair's events the last one given counts.
    rows = rows[np.argsort(seconds[rows], kind="stable")]
    return interaction_matrix(users[rows], items[rows], *shape, seconds[rows])


def _baseline_rmse(
    baseline: RatingBaseline, data: PreparedData, part: Part, task: TaskSpec
) -> float:
    users, items, shape = _pairs(data)
    labels = data.interactions.events[str(task.label)].to_numpy(dtype="float64")
    weights = _weights(task, data, users, items)
    known, rows = data.known_rows(part), data.rows(part)
    # A row without a label is left out.
    known = known[(weights[known] > 0) & ~np.isnan(labels[known])]
    ratings = interaction_matrix(users[known], items[known], *shape, labels[known])
    baseline.fit(ratings, _times(data, known))
    return rmse(labels[rows], baseline.predict(users[rows], items[rows]), weights[rows])


def _pairs(data: PreparedData) -> tuple[IntArray, IntArray, tuple[int, int]]:
    """Users and items of the events as rows of their frames, and how many there are of both."""
    schema, events = data.schema, data.interactions.events
    users = _codes(events[schema.user_id], data.interactions.users[schema.user_id])
    items = _codes(events[schema.item_id], data.interactions.items[schema.item_id])
    return users, items, (len(data.interactions.users), len(data.interactions.items))


def _weights(task: TaskSpec, data: PreparedData, users: IntArray, items: IntArray) -> FloatArray:
    """Returns the weight of each event in a task, which may stand with its user or its item."""
    name = task.sample_weight
    if name is None:
        return np.ones(len(users))
    side = next((each.side for each in data.schema.features if each.name == name), "context")
    if side == "context":
        return data.interactions.events[name].to_numpy(dtype="float64")
    frame, places = (
        (data.interactions.users, users) if side == "user" else (data.interactions.items, items)
    )
    return frame[name].to_numpy(dtype="float64")[places]


def _task_values(task: TaskSpec, labels: Array, predictions: Array, weights: Array) -> Metrics:
    return {
        name: metric(labels, predictions, weights)
        for name, metric in TASK_METRICS[task.kind].items()
    }


def _named(task: str, values: Mapping[str, float]) -> Metrics:
    return {f"{task}/{name}": float(value) for name, value in values.items()}


def _codes(values: Iterable[str], known: Iterable[str]) -> IntArray:
    """Positions of values in `known`, which holds each of them once."""
    position = {value: index for index, value in enumerate(known)}
    return np.fromiter((position[value] for value in values), np.int64)
