"""The validation requests that an answer's weights are chosen on: the candidates as served."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from recsys_tf.export.answer_candidates import Candidates
from recsys_tf.export.answer_score import answer_tasks
from recsys_tf.export.served_recommender import ServedRecommender
from recsys_tf.export.validation_rows import ValidationRows, validation_rows
from recsys_tf.naming import look_up
from recsys_tf.preparation import PreparedData
from recsys_tf.schema import Schema, TaskSpec
from recsys_tf.score_fusion import ValidationLists
from recsys_tf.types import Array, IntArray


def validation_lists(
    served: ServedRecommender,
    data: PreparedData | ValidationRows,
    tasks: Sequence[str],
    *,
    max_requests: int = 5000,
    seed: int = 42,
) -> ValidationLists:
    """Retrieves the candidates of validation users, as an answer would, with what became of them.

    A request is a user's earliest validation row: its context, and the history of that moment,
    whose items are left out if an answer leaves them out. A candidate is a success of a task where
    any of the user's validation rows is one of that item. Users without a success of any of the
    tasks are left out.

    Args:
        served: What answers, with the number of candidates of its configuration.
        data: What its model was trained on, or its validation rows.
        tasks: Whose successes are wanted: binary tasks or the one of retrieval.
        max_requests: Users at the most; of more, so many are drawn.
        seed: Seed of the draw.

    Returns:
        Predictions of all tasks of an answer and labels of `tasks`, `[U, N]`, of the candidates in
        the order of retrieval.

    Raises:
        ValueError: If a task is of another kind, no user has a success, or the validation rows
            were trained on.
    """
    rows = validation_rows(data, "weights")
    is_success = success_rows(rows, tasks)
    users, asked = _requests(rows, is_success, max_requests, seed)
    predictions, is_item, candidates, scenarios = _asked(served, rows, asked)
    num_items = len(rows.catalogue)
    wanted = np.arange(len(asked))[:, np.newaxis] * num_items + candidates
    return ValidationLists(
        predictions,
        # A user that is not asked is the request -1, which no candidate is of.
        {
            name: np.isin(wanted, (users * num_items + rows.items)[own & (users >= 0)])
            for name, own in is_success.items()
        },
        is_item,
        scenarios,
    )


def success_rows(rows: ValidationRows, tasks: Sequence[str]) -> dict[str, Array]:
    """Tells which rows are a success of each of these tasks, bool `[n]`; see `success_task`."""
    labels, weights = rows.labels([success_task(rows.schema, name, "tasks") for name in tasks])
    return {name: (labels[name] > 0) & (weights[name] > 0) for name in labels}


def success_task(schema: Schema, name: str, argument: str) -> TaskSpec:
    """Returns the task of that name, whose rows succeed or fail.

    Raises:
        ValueError: If an answer has no such task, of retrieval or binary.
    """
    tasks = answer_tasks(schema).values()
    known = {each.name: each for each in tasks if each.kind in ("retrieval", "binary")}
    return look_up(known, name, argument)


def _requests(
    rows: ValidationRows, is_success: dict[str, Array], max_requests: int, seed: int
) -> tuple[IntArray, IntArray]:
    """Returns each row's request, -1 for none, and each request's row."""
    users = rows.users
    by_time = np.argsort(rows.timestamps, kind="stable")[::-1]
    first = np.full(users.max() + 1, -1)
    # Written from the last to the first, so that the first stays.
    first[users[by_time]] = by_time
    has_success = np.zeros(len(first), bool)
    for own in is_success.values():
        has_success[users[own]] = True
    chosen = np.flatnonzero(has_success)
    if not len(chosen):
        raise ValueError(
            f"`data` must have validation rows with a success of {', '.join(map(repr, is_success))}"
            ", received none; take more validation rows, or another goal."
        )
    if len(chosen) > max_requests:
        drawn = np.random.default_rng(seed).choice(chosen, max_requests, replace=False)
        chosen = np.sort(drawn)
    requests = np.full(len(first), -1)
    requests[chosen] = np.arange(len(chosen))
    return requests[users], first[chosen]


def _asked(
    served: ServedRecommender, rows: ValidationRows, asked: IntArray
) -> tuple[dict[str, Array], Array, IntArray, IntArray | None]:
    """Asks for the candidates of each row: predictions, which are items, which, the scenarios."""
    find = tf.function(served.candidates, reduce_retracing=True)
    found: list[Candidates] = []
    scenarios: list[Array] = []
    for features, history in rows.requests(asked):
        found.append(find(features, history))
        if rows.schema.scenario is not None:
            scenarios.append(features[rows.schema.scenario.feature].numpy())
    predictions = {
        name: np.concatenate([each.predictions[name] for each in found])
        for name in found[0].predictions
    }
    return (
        predictions,
        np.concatenate([each.is_item for each in found]),
        np.concatenate([each.rows for each in found]),
        np.concatenate(scenarios) if scenarios else None,
    )
