"""Metrics of one user's ranked list, for many users at once.

All take `hits` `[U, K']` (whether the item at each place is relevant, best place first, `K' >= K`),
`num_relevant` `[U]` and the cut-off `K`, and return float64 `[U]`: one value a user, NaN for a user
without relevant items. The mean over users is the published number. `hit`, over test rows, is in
`ranking_evaluation`.

In the formulas `h_r` is 1 where the item at rank `r` (from 1 on) is relevant, `R` the number of
the user's relevant items.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.metrics.lists import checked_lists
from recsys_tf.types import Array, FloatArray, IntArray


def relevance_at_places(top_items: IntArray, relevant: sparse.csr_matrix) -> FloatArray:
    """Looks up the relevance of each listed item, without a dense `[U, N]` array.

    Args:
        top_items: int `[U, K]`, item indexes; negative places are empty.
        relevant: Sparse `[U, N]`; an entry is the number of test rows of that user and item.

    Returns:
        float64 `[U, K]`: the entry, 0 where there is none.

    Raises:
        ValueError: If the lists are not integers `[U, K]`, the numbers of rows differ, or an index
            is not below `N`.

    Example:
        >>> relevant = sparse.csr_matrix([[0, 2, 1]])
        >>> relevance_at_places(np.array([[1, 0, -1]]), relevant).tolist()
        [[2.0, 0.0, 0.0]]
    """
    relevant = sparse.csr_matrix(relevant)
    # An index behind the catalogue would be an item of the next user.
    top_items = checked_lists(top_items, relevant.shape[1], "relevant.shape[1]")
    if len(top_items) != relevant.shape[0]:
        raise ValueError(
            f"`top_items` must be [U, K] with a row for each of the {relevant.shape[0]} rows of "
            f"`relevant`, received shape {top_items.shape}."
        )
    if not relevant.nnz:
        return np.zeros(top_items.shape)
    if not relevant.has_canonical_format:
        relevant = relevant.copy()
        relevant.sum_duplicates()
    # One sorted key a pair of user and item; int64, since U x N outgrows 32 bits.
    num_items = np.int64(relevant.shape[1])
    users = np.arange(relevant.shape[0], dtype=np.int64)
    keys = np.repeat(users, np.diff(relevant.indptr)) * num_items + relevant.indices
    wanted = users[:, None] * num_items + top_items
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    is_found = (keys[place] == wanted) & (top_items >= 0)
    return np.where(is_found, relevant.data[place], 0).astype(np.float64)


def hit_rate(hits: Array, num_relevant: IntArray, k: int) -> FloatArray:
    """Computes whether any of the first `K` items is relevant, `max_{r <= K} h_r`.

    Choose it where one good item is enough. With one relevant item a user (last item out) it is
    recall, and the HR@K of that literature.

    Args:
        hits: bool `[U, K']`.
        num_relevant: int `[U]`.
        k: Cut-off `K`.

    Returns:
        float64 `[U]`, 0 or 1.

    Example:
        >>> hit_rate([[0, 1, 0], [0, 0, 1]], [2, 1], k=2).tolist()
        [1.0, 0.0]
    """
    cut, num_relevant = _cut(hits, num_relevant, k)
    return _of_users(np.asarray(cut.any(axis=1)), num_relevant)


def recall(hits: Array, num_relevant: IntArray, k: int) -> FloatArray:
    """Computes the share of the user's relevant items among the first `K`, `sum_{r <= K} h_r / R`.

    A user with more than `K` relevant items cannot reach 1 (some libraries divide by `min(R, K)`).

    Args:
        hits: bool `[U, K']`.
        num_relevant: int `[U]`.
        k: Cut-off `K`.

    Returns:
        float64 `[U]`, between 0 and 1.

    Example:
        >>> recall([[0, 1, 0], [0, 0, 1]], [2, 1], k=2).tolist()
        [0.5, 0.0]
    """
    cut, num_relevant = _cut(hits, num_relevant, k)
    return _of_users(cut.sum(axis=1) / np.maximum(num_relevant, 1), num_relevant)


def precision(hits: Array, num_relevant: IntArray, k: int) -> FloatArray:
    """Computes the share of relevant items among the first `K`, `sum_{r <= K} h_r / K`.

    Empty places count as misses.

    Args:
        hits: bool `[U, K']`.
        num_relevant: int `[U]`.
        k: Cut-off `K`.

    Returns:
        float64 `[U]`, between 0 and 1.

    Example:
        >>> precision([[1, 1, 0], [0, 0, 1]], [2, 1], k=2).tolist()
        [1.0, 0.0]
    """
    cut, num_relevant = _cut(hits, num_relevant, k)
    return _of_users(cut.sum(axis=1) / k, num_relevant)


def ndcg(hits: Array, num_relevant: IntArray, k: int) -> FloatArray:
    """Computes the discounted gain of the first `K` items over that of the best possible list.

    `sum_{r <= K} h_r / log2(r + 1)` divided by `sum_{r <= min(K, R)} 1 / log2(r + 1)`. The first
    places count most; the usual number to compare models by.

    Args:
        hits: bool `[U, K']`.
        num_relevant: int `[U]`.
        k: Cut-off `K`.

    Returns:
        float64 `[U]`, between 0 and 1.

    Example:
        >>> ndcg([[1, 0, 1]], [2], k=3).round(6).tolist()  # (1 + 1/2) / (1 + 1/log2(3))
        [0.919721]

    Source:
        Jaervelin and Kekaelaeinen (2002), Cumulated gain-based evaluation of IR techniques,
        https://doi.org/10.1145/582415.582418; with binary gains and the discount log2(r + 1).
    """
    cut, num_relevant = _cut(hits, num_relevant, k)
    discounts = 1 / np.log2(np.arange(2, k + 2))
    best = np.concatenate([[1.0], np.cumsum(discounts)])[np.minimum(num_relevant, k)]
    return _of_users(cut @ discounts[: cut.shape[1]] / best, num_relevant)


def reciprocal_rank(hits: Array, num_relevant: IntArray, k: int) -> FloatArray:
    """Computes 1 over the rank of the first relevant item, 0 where none is among the first `K`.

    Its mean over users is MRR@K. Choose it where the user looks for one item.

    Args:
        hits: bool `[U, K']`.
        num_relevant: int `[U]`.
        k: Cut-off `K`.

    Returns:
        float64 `[U]`, between 0 and 1.

    Example:
        >>> reciprocal_rank([[0, 1, 1], [0, 0, 1]], [2, 1], k=2).tolist()
        [0.5, 0.0]
    """
    cut, num_relevant = _cut(hits, num_relevant, k)
    return _of_users(cut.any(axis=1) / (cut.argmax(axis=1) + 1), num_relevant)


def average_precision(hits: Array, num_relevant: IntArray, k: int) -> FloatArray:
    """Computes the mean, over the relevant items, of the precision at the rank of each.

    `sum_{r <= K} h_r P_r / min(R, K)` with `P_r = sum_{q <= r} h_q / r`. Its mean over users is
    MAP@K. Divided by `min(R, K)`, so that a perfect list has 1 (some libraries divide by `R`).

    Args:
        hits: bool `[U, K']`.
        num_relevant: int `[U]`.
        k: Cut-off `K`.

    Returns:
        float64 `[U]`, between 0 and 1.

    Example:
        >>> average_precision([[1, 0, 1]], [2], k=3).round(6).tolist()  # (1/1 + 2/3) / 2
        [0.833333]
    """
    cut, num_relevant = _cut(hits, num_relevant, k)
    ranks = np.arange(1, cut.shape[1] + 1)
    found = (cut * np.cumsum(cut, axis=1) / ranks).sum(axis=1)
    return _of_users(found / np.maximum(np.minimum(num_relevant, k), 1), num_relevant)


def _cut(hits: Array, num_relevant: IntArray, k: int) -> tuple[Array, IntArray]:
    hits, num_relevant = np.asarray(hits), np.asarray(num_relevant)
    if k < 1:
        raise ValueError(f"`k` must be at least 1, received {k}.")
    if hits.ndim != 2 or num_relevant.shape != hits.shape[:1]:
        raise ValueError(
            "`hits` must be [U, K] and `num_relevant` [U], received shapes "
            f"{hits.shape} and {num_relevant.shape}."
        )
    return hits[:, :k].astype(bool), num_relevant


def _of_users(values: Array, num_relevant: IntArray) -> FloatArray:
    return np.where(num_relevant > 0, values, np.nan).astype(np.float64)
