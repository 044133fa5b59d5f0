"""The ranking of the whole catalogue for each user of a held-out part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy import sparse

from recsys_tf.config import EvaluationConfig
from recsys_tf.evaluation.lists import with_list_metrics
from recsys_tf.features import make_dataset, transform_catalogue
from recsys_tf.metrics import LIST_METRICS, USER_LIST_METRICS, RankingValues, ranking_values
from recsys_tf.metrics.ranking_evaluation import ScoresFn
from recsys_tf.models import Recommender
from recsys_tf.preparation import EventPairs, Part, PreparedData
from recsys_tf.types import Array, FloatArray, IntArray


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


def model_ranking(
    model: Recommender,
    data: PreparedData,
    part: Part = "test",
    *,
    on_users_done: Callable[[int], object] | None = None,
) -> RankingValues:
    """Ranks the whole catalogue for each user of a part; see `evaluate` and `ranked`."""
    problem = ranking_problem(data, part)
    asked = np.flatnonzero(problem.first_rows >= 0)
    queries = query_embeddings(model, data, part, problem.first_rows[asked])
    place = np.zeros(len(problem.first_rows), np.int64)
    place[asked] = np.arange(len(asked))
    vectors = candidate_embeddings(model, data)
    candidates = vectors.T
    return ranked(
        problem,
        lambda users: queries[place[users]] @ candidates,
        asked,
        # Without the item's bias, the last unit: it is the same for everybody, and no likeness.
        vectors[:, :-1],
        data.config.evaluation,
        on_users_done,
    )


def ranked(
    problem: RankingProblem,
    score: ScoresFn,
    users: IntArray | None,
    vectors: FloatArray,
    config: EvaluationConfig,
    on_users_done: Callable[[int], object] | None = None,
) -> RankingValues:
    """Ranks the whole catalogue as `evaluation` of a run says.

    Args:
        problem: The problem.
        score: Scores the catalogue for some users, see `ScoresFn`.
        users: int `[U]`, who is asked for; None takes all that have held-out positives.
        vectors: float `[N, D]`, whose directions tell which items are alike.
        config: Cut-offs, and which metrics of the lists are told; with any the lists are kept.
        on_users_done: Called with the number of users after each block that was ranked.

    Returns:
        The metrics of each user's list.
    """
    of_lists = [name for name in config.metrics if name in LIST_METRICS | USER_LIST_METRICS]
    values = ranking_values(
        score,
        users,
        problem.seen if config.is_seen_excluded else None,
        problem.relevant,
        config.cutoffs,
        config.user_batch_size,
        on_users_done,
        has_lists=bool(of_lists),
    )
    return with_list_metrics(
        values,
        of_lists,
        problem.seen,
        problem.relevant,
        config.cutoffs,
        vectors,
        is_seen_excluded=config.is_seen_excluded,
    )


def query_embeddings(
    model: Recommender, data: PreparedData, part: Part, rows: IntArray
) -> FloatArray:
    """Computes the query tower's output for rows of `events`, float32 `[len(rows), D + 1]`."""
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
    """Computes the candidate tower's output for the whole catalogue, float32 `[N, D + 1]`.

    The last unit is the item's bias; the others' direction tells which items are alike.
    """
    columns = transform_catalogue(data.catalogue, data.preprocessor, data.schema)
    outputs = model.candidate_tower.predict(columns, batch_size=1024, verbose=0)
    return outputs["embedding"]
