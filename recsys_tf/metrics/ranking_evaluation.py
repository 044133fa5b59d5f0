"""Full ranking of the catalogue for many users, a block of users at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_tf.metrics import ranking
from recsys_tf.metrics.top_k import top_k
from recsys_tf.metrics.undefined import undefined
from recsys_tf.types import Array, FloatArray, IntArray

ScoresFn = Callable[[IntArray], Array]
"""User indexes `[B]` -> scores `[B, N]` of every item of the catalogue."""

RANKING_METRICS: dict[str, Callable[[Array, IntArray, int], FloatArray]] = {
    "hit_rate": ranking.hit_rate,
    "recall": ranking.recall,
    "precision": ranking.precision,
    "ndcg": ranking.ndcg,
    "mrr": ranking.reciprocal_rank,
    "map": ranking.average_precision,
}
"""Metrics of a user's list by name: `(hits [U, K'], num_relevant [U], K) -> [U]`."""

ROW_HIT = "hit"
"""Share of the test rows whose item is in the user's first `K`; averaged over rows, not users."""


@dataclass(frozen=True)
class RankingValues:
    """Ranking metrics of each evaluated user.

    Attributes:
        user_indexes: int `[U]`, the users that have a relevant item.
        num_rows: float `[U]`, test rows of each: the weights of `hit_at_K`.
        by_user: float `[U]` by name, for instance `ndcg_at_10`.
        coverage: Share of the catalogue in all lists together, by name: `coverage_at_10`; and
            what else all lists have together.
        top_items: int32 `[U, K]` of the highest cut-off, the lists; None where they are not kept.
    """

    user_indexes: IntArray
    num_rows: FloatArray
    by_user: Mapping[str, FloatArray]
    coverage: Mapping[str, float]
    top_items: IntArray | None = None

    def means(self, is_user: Array | None = None) -> dict[str, float]:
        """Averages over users, and `hit_at_K` over test rows.

        Args:
            is_user: bool `[U]`, the users of a slice; None takes all, and adds the coverage,
                which is a property of all lists together.

        Returns:
            The mean by name, of the users that have a value; NaN with `UndefinedMetricWarning`
            where there is none.

        Raises:
            ValueError: If `is_user` is not one boolean a user.
        """
        chosen = np.ones(len(self.num_rows), bool) if is_user is None else np.asarray(is_user)
        if chosen.dtype != bool or chosen.shape != self.num_rows.shape:
            raise ValueError(
                f"`is_user` must be bool of shape {self.num_rows.shape}, received "
                f"{chosen.dtype} of shape {chosen.shape}."
            )
        if not chosen.any():
            nan = undefined("ranking metrics", "no user has a relevant item")
            return dict.fromkeys([*self.by_user, *(self.coverage if is_user is None else ())], nan)
        values = {}
        for name, by_user in self.by_user.items():
            weights = self.weights(name)[chosen]
            of_users = by_user[chosen]
            # A list without two items has no diversity.
            is_known = ~np.isnan(of_users)
            if not is_known.any():
                values[name] = undefined(name, "no list defines it")
                continue
            values[name] = float(np.average(of_users[is_known], weights=weights[is_known]))
        if is_user is None:
            values.update(self.coverage)
        return values

    def weights(self, name: str) -> FloatArray:
        """Returns what each user weighs in the mean of a metric: test rows for `hit`, else 1."""
        is_of_rows = name.startswith(f"{ROW_HIT}_at_")
        return self.num_rows if is_of_rows else np.ones(len(self.num_rows))


def ranking_values(
    scores_fn: ScoresFn,
    user_indexes: IntArray | None,
    seen: sparse.csr_matrix | None,
    relevant: sparse.csr_matrix,
    cutoffs: Sequence[int] = (10, 50, 100),
    user_batch_size: int = 1024,
    on_users_done: Callable[[int], object] | None = None,
    *,
    has_lists: bool = False,
) -> RankingValues:
    """Ranks the whole catalogue for each user and computes every ranking metric a user.

    Memory: one block of scores `[user_batch_size, N]` and a few copies of it, whatever `U` is.

    Args:
        scores_fn: Gives the scores of a block of users; `baseline.scores` is one.
        user_indexes: int `[U]`, rows of `seen` and `relevant`; those without a relevant item are
            left out. None takes all.
        seen: Sparse `[all users, N]`; the items to leave out of each user's list (those of the
            training rows). A relevant item that is also seen cannot be found and counts as missed.
            None leaves nothing out.
        relevant: Sparse `[all users, N]`; entry = number of test rows of that user and item, as
            `interaction_matrix` makes it. Binary for all metrics but `hit`.
        cutoffs: The `K`s.
        user_batch_size: Users ranked at once; bounds the memory.
        on_users_done: Called after each block with the number of users in it: for a progress bar.
        has_lists: Whether the lists are kept, 4 bytes a place.

    Returns:
        Values of each user, and their means by `.means()`.

    Raises:
        ValueError: If shapes do not fit, a cut-off is below 1, an entry of `relevant` is negative
            or not finite, or a score is NaN.
        IndexError: If a user index is no row of `relevant`.
    """
    relevant, seen = _checked(relevant, seen, cutoffs, user_batch_size)
    num_relevant = np.diff(relevant.indptr)
    users = np.arange(relevant.shape[0]) if user_indexes is None else np.asarray(user_indexes)
    _check_users(users, relevant.shape[0])
    users = users[num_relevant[users] > 0]
    lists = _Lists(len(users), relevant.shape[1], tuple(sorted(set(cutoffs))))
    num_rows = np.zeros(len(users))
    kept = np.full((len(users), lists.cutoffs[-1]), -1, np.int32) if has_lists else None
    for start in range(0, len(users), user_batch_size):
        block = users[start : start + user_batch_size]
        places = slice(start, start + len(block))
        scores = np.asarray(scores_fn(block))
        if scores.shape != (len(block), relevant.shape[1]):
            raise ValueError(
                f"`scores_fn` must give shape {(len(block), relevant.shape[1])} for {len(block)} "
                f"users and the {relevant.shape[1]} items of `relevant`, received {scores.shape}."
            )
        top_items = top_k(scores, lists.cutoffs[-1], None if seen is None else seen[block])
        if kept is not None:
            kept[places, : top_items.shape[1]] = top_items
        relevance = ranking.relevance_at_places(top_items, relevant[block])
        num_rows[places] = np.asarray(relevant[block].sum(axis=1), dtype=np.float64).reshape(-1)
        lists.add(places, top_items, relevance, num_relevant[block], num_rows[places])
        if on_users_done is not None:
            on_users_done(len(block))
    return RankingValues(users, num_rows, lists.by_user, lists.coverage(), kept)


def ranking_metrics(
    scores_fn: ScoresFn,
    user_indexes: IntArray | None,
    seen: sparse.csr_matrix | None,
    relevant: sparse.csr_matrix,
    cutoffs: Sequence[int] = (10, 50, 100),
    user_batch_size: int = 1024,
) -> dict[str, float]:
    """Ranks the whole catalogue for each user and averages every ranking metric.

    Args:
        scores_fn: See `ranking_values`, for all arguments.
        user_indexes: int `[U]` or None for all.
        seen: Sparse `[all users, N]` or None.
        relevant: Sparse `[all users, N]`.
        cutoffs: The `K`s.
        user_batch_size: Users ranked at once.

    Returns:
        By name: `hit_rate_at_K`, `recall_at_K`, `precision_at_K`, `ndcg_at_K`, `mrr_at_K` and
        `map_at_K` averaged over users; `hit_at_K` over test rows; `coverage_at_K`.

    Raises:
        ValueError: As `ranking_values`.

    Example:
        >>> relevant = sparse.csr_matrix([[0, 1, 0], [1, 1, 0]])
        >>> scores = np.array([[0.3, 0.2, 0.1], [0.3, 0.2, 0.1]])
        >>> metrics = ranking_metrics(lambda users: scores[users], None, None, relevant, [1])
        >>> metrics["recall_at_1"], metrics["hit_rate_at_1"]  # (0 + 1/2) / 2, (0 + 1) / 2
        (0.25, 0.5)
        >>> round(metrics["hit_at_1"], 6), round(metrics["coverage_at_1"], 6)  # 1 of 3, 1 of 3
        (0.333333, 0.333333)
    """
    return ranking_values(scores_fn, user_indexes, seen, relevant, cutoffs, user_batch_size).means()


class _Lists:
    """Collects the metrics of the lists block by block."""

    def __init__(self, num_users: int, num_items: int, cutoffs: tuple[int, ...]) -> None:
        self.cutoffs = cutoffs
        self.by_user: dict[str, FloatArray] = {
            f"{name}_at_{k}": np.zeros(num_users)
            for k in cutoffs
            for name in (ROW_HIT, *RANKING_METRICS)
        }
        self._is_listed = {k: np.zeros(num_items, bool) for k in cutoffs}

    def add(
        self,
        users: slice,
        top_items: IntArray,
        relevance: FloatArray,
        num_relevant: IntArray,
        num_rows: FloatArray,
    ) -> None:
        hits = relevance > 0
        for k in self.cutoffs:
            self.by_user[f"{ROW_HIT}_at_{k}"][users] = relevance[:, :k].sum(axis=1) / num_rows
            for name, metric in RANKING_METRICS.items():
                self.by_user[f"{name}_at_{k}"][users] = metric(hits, num_relevant, k)
            listed = top_items[:, :k]
            self._is_listed[k][listed[listed >= 0]] = True

    def coverage(self) -> dict[str, float]:
        return {f"coverage_at_{k}": float(each.mean()) for k, each in self._is_listed.items()}


def _checked(
    relevant: sparse.csr_matrix,
    seen: sparse.csr_matrix | None,
    cutoffs: Sequence[int],
    user_batch_size: int,
) -> tuple[sparse.csr_matrix, sparse.csr_matrix | None]:
    if not len(cutoffs) or min(cutoffs) < 1:
        raise ValueError(f"`cutoffs` must be numbers of at least 1, received {list(cutoffs)}.")
    if user_batch_size < 1:
        raise ValueError(f"`user_batch_size` must be at least 1, received {user_batch_size}.")
    relevant = sparse.csr_matrix(relevant, copy=True)
    relevant.sum_duplicates()
    relevant.eliminate_zeros()
    if relevant.nnz and not (np.isfinite(relevant.data) & (relevant.data > 0)).all():
        raise ValueError(
            "`relevant` must hold numbers of test rows, finite and above 0, received "
            f"{relevant.data[~(np.isfinite(relevant.data) & (relevant.data > 0))][0]}."
        )
    if seen is not None and seen.shape != relevant.shape:
        raise ValueError(
            f"`seen` must have the shape of `relevant`, {relevant.shape}, received {seen.shape}."
        )
    return relevant, None if seen is None else sparse.csr_matrix(seen)


def _check_users(users: IntArray, num_users: int) -> None:
    if users.ndim != 1 or (users.size and not np.issubdtype(users.dtype, np.integer)):
        raise ValueError(
            f"`user_indexes` must be integers [U], received {users.dtype} of shape {users.shape}."
        )
    if users.size and not (users.min() >= 0 and users.max() < num_users):
        wrong = users[(users < 0) | (users >= num_users)][0]
        raise IndexError(
            f"`user_indexes` must be rows of `relevant`, 0 to {num_users - 1}, received {wrong}."
        )
