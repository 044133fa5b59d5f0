"""Ranking of one positive among sampled negatives, for many users at once.

For comparison with papers that did so (NCF, SASRec), and for nothing else: a metric of sampled
lists orders models differently from the same metric of the whole catalogue, even in expectation,
since it hardly sees the first places. Choose a model by `ranking_metrics`, which ranks all items.

Source: Krichene and Rendle (2020), On sampled metrics for item recommendation,
https://doi.org/10.1145/3394486.3403226.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys_tf.metrics.ranking_evaluation import RankingValues, ScoresFn
from recsys_tf.metrics.top_k import NO_ITEM
from recsys_tf.types import Array, FloatArray, IntArray


def sampled_ranks(scores: Array, candidates: IntArray) -> IntArray:
    """Computes the rank of each user's positive among the candidates.

    `1 + |{j : s_j >= s_0}|` over the distinct negatives: a tie counts against the model, so that
    one score for all items has the last rank and not the first. A negative that stands twice
    counts once, at its first place; one that is the positive itself does not count. Both, and the
    ties, are as in NCF's own evaluation, whose file has the positive among the negatives of 156
    users.

    Args:
        scores: float `[U, 1 + k]`, one a candidate, higher is better.
        candidates: int `[U, 1 + k]`, item indexes, the positive in column 0; `NO_ITEM` in a later
            column = no candidate.

    Returns:
        int64 `[U]`, from 1 (best) to 1 + the number of distinct negatives.

    Raises:
        ValueError: If the shapes differ or are not `[U, 1 + k]`, `candidates` are no item indexes,
            or a candidate's score is NaN.

    Example:
        >>> sampled_ranks([[0.5, 0.9, 0.5, 0.1]], [[7, 3, 4, 5]]).tolist()  # 3, and the tie 4
        [3]
        >>> sampled_ranks([[0.5, 0.9, 0.9, 0.5]], [[7, 3, 3, 7]]).tolist()  # 3 once, 7 is itself
        [2]

    Source:
        He et al. (2017), Neural collaborative filtering, https://doi.org/10.1145/3038912.3052569,
        section 4.1, and evaluate.py of its repository.
    """
    candidates = _checked_candidates(candidates)
    scores = np.asarray(scores)
    if scores.shape != candidates.shape:
        raise ValueError(
            f"`scores` must have the shape of `candidates`, {candidates.shape}, received "
            f"{scores.shape}."
        )
    is_rival = _is_first(candidates) & (candidates != NO_ITEM)
    if np.isnan(scores[is_rival]).any():
        raise ValueError(
            "`scores` must not be NaN, received NaN in "
            f"{int((np.isnan(scores) & is_rival).any(axis=1).sum())} of {len(scores)} rows; look "
            "for a diverged loss or a missing input."
        )
    is_rival[:, 0] = False
    return 1 + (is_rival & (scores >= scores[:, :1])).sum(axis=1, dtype=np.int64)


def values_of_ranks(ranks: IntArray, cutoffs: Sequence[int] = (10,)) -> dict[str, FloatArray]:
    """Computes the metrics of lists with one relevant item from its rank `r`.

    `hit_rate_at_K = [r <= K]`, `ndcg_at_K = [r <= K] / log2(r + 1)`, `mrr = 1 / r` (no cut-off).

    Args:
        ranks: int `[U]`, from 1 on.
        cutoffs: The `K`s.

    Returns:
        By name, float64 `[U]`, one value a user.

    Raises:
        ValueError: If a rank or a cut-off is below 1.

    Example:
        >>> values = values_of_ranks([1, 3, 4], cutoffs=[3])
        >>> values["hit_rate_at_3"].tolist(), values["ndcg_at_3"].tolist()  # 1 / log2(3 + 1)
        ([1.0, 1.0, 0.0], [1.0, 0.5, 0.0])
    """
    ranks = np.asarray(ranks)
    if ranks.ndim != 1 or (ranks.size and not ranks.min() >= 1):
        raise ValueError(f"`ranks` must be [U], 1 or above, received shape {ranks.shape}.")
    if not len(cutoffs) or min(cutoffs) < 1:
        raise ValueError(f"`cutoffs` must be numbers of at least 1, received {list(cutoffs)}.")
    values: dict[str, FloatArray] = {}
    for k in sorted(set(cutoffs)):
        is_hit = ranks <= k
        values[f"hit_rate_at_{k}"] = is_hit.astype(np.float64)
        values[f"ndcg_at_{k}"] = is_hit / np.log2(ranks + 1.0)
    values["mrr"] = 1.0 / ranks
    return values


def sampled_ranking_values(
    scores_fn: ScoresFn,
    candidates: IntArray,
    user_indexes: IntArray | None = None,
    cutoffs: Sequence[int] = (10,),
    user_batch_size: int = 1024,
) -> RankingValues:
    """Ranks each user's positive among its negatives and computes every metric a user.

    Args:
        scores_fn: User indexes `[B]` -> scores `[B, N]` of the catalogue; `baseline.scores` is one.
        candidates: int `[U, 1 + k]`, item indexes, the positive in column 0; see `sampled_ranks`
            for duplicates, ties and empty places.
        user_indexes: int `[U]`, the user of each row of `candidates`; None takes 0 to `U` - 1.
        cutoffs: The `K`s.
        user_batch_size: Users scored at once; bounds the memory.

    Returns:
        Values of each user (`hit_rate_at_K`, `ndcg_at_K`, `mrr`), and their means by `.means()`.

    Raises:
        ValueError: If shapes do not fit, a cut-off is below 1, or a candidate's score is NaN.
        IndexError: If a candidate is no column of the scores.
    """
    candidates = _checked_candidates(candidates)
    if user_batch_size < 1:
        raise ValueError(f"`user_batch_size` must be at least 1, received {user_batch_size}.")
    users = np.arange(len(candidates)) if user_indexes is None else np.asarray(user_indexes)
    if users.shape != (len(candidates),) or not np.issubdtype(users.dtype, np.integer):
        raise ValueError(
            f"`user_indexes` must be integers of shape {(len(candidates),)}, one a row of "
            f"`candidates`, received {users.dtype} of shape {users.shape}."
        )
    ranks = np.ones(len(users), np.int64)
    for start in range(0, len(users), user_batch_size):
        block = slice(start, start + user_batch_size)
        scores = np.asarray(scores_fn(users[block]))
        ranks[block] = sampled_ranks(_scores_of(scores, candidates[block]), candidates[block])
    return RankingValues(users, np.ones(len(users)), values_of_ranks(ranks, cutoffs), {})


def sampled_ranking_metrics(
    scores_fn: ScoresFn,
    candidates: IntArray,
    user_indexes: IntArray | None = None,
    cutoffs: Sequence[int] = (10,),
    user_batch_size: int = 1024,
) -> dict[str, float]:
    """Ranks each user's positive among its negatives and averages every metric over users.

    Args:
        scores_fn: See `sampled_ranking_values`, for all arguments.
        candidates: int `[U, 1 + k]`.
        user_indexes: int `[U]` or None.
        cutoffs: The `K`s.
        user_batch_size: Users scored at once.

    Returns:
        By name: `hit_rate_at_K`, `ndcg_at_K` and `mrr`; NaN with `UndefinedMetricWarning` without
        users.

    Raises:
        ValueError: As `sampled_ranking_values`.
        IndexError: If a candidate is no column of the scores.

    Example:
        >>> scores = np.array([[0.3, 0.2, 0.1], [0.3, 0.2, 0.1]])
        >>> candidates = np.array([[0, 1], [2, 0]])
        >>> found = sampled_ranking_metrics(lambda users: scores[users], candidates, cutoffs=[1])
        >>> found["hit_rate_at_1"], found["mrr"]  # (1 + 0) / 2, (1 + 1/2) / 2
        (0.5, 0.75)
    """
    return sampled_ranking_values(
        scores_fn, candidates, user_indexes, cutoffs, user_batch_size
    ).means()


def _checked_candidates(candidates: IntArray) -> IntArray:
    candidates = np.asarray(candidates)
    if candidates.ndim != 2 or not candidates.shape[1]:
        raise ValueError(f"`candidates` must be [U, 1 + k], received shape {candidates.shape}.")
    if candidates.size and not np.issubdtype(candidates.dtype, np.integer):
        raise ValueError(f"`candidates` must be integers, received {candidates.dtype}.")
    if (candidates < NO_ITEM).any() or (candidates[:, 0] < 0).any():
        raise ValueError(
            f"`candidates` must be item indexes, or {NO_ITEM} for no candidate in any column but "
            f"the first, received {candidates[(candidates < 0).any(axis=1)][0].tolist()}."
        )
    return candidates


def _is_first(candidates: IntArray) -> Array:
    """Bool `[U, 1 + k]`, True where the item does not stand further to the left."""
    # Stable, so that of equal items the leftmost comes first.
    order = np.argsort(candidates, axis=1, kind="stable")
    ordered = np.take_along_axis(candidates, order, axis=1)
    is_new = np.ones(candidates.shape, bool)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    is_first = np.empty_like(is_new)
    np.put_along_axis(is_first, order, is_new, axis=1)
    return is_first


def _scores_of(scores: Array, candidates: IntArray) -> Array:
    if scores.ndim != 2 or len(scores) != len(candidates):
        raise ValueError(
            f"`scores_fn` must give [B, N] for B users, received shape {scores.shape} for "
            f"{len(candidates)} users."
        )
    if candidates.size and candidates.max() >= scores.shape[1]:
        raise IndexError(
            f"`candidates` must be columns of the scores, 0 to {scores.shape[1] - 1}, received "
            f"{int(candidates.max())}."
        )
    return np.take_along_axis(scores, np.maximum(candidates, 0), axis=1)
