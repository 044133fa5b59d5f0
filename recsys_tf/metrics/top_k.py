"""The K best items of each row of a block of scores."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.types import Array, IntArray

NO_ITEM = -1
"""Stands in a list that has fewer items than places."""


def top_k(scores: Array, k: int, seen: sparse.csr_matrix | None = None) -> IntArray:
    """Finds the items of the `K` highest scores of each row, best first.

    Items of equal score come in the order of their indexes, so that two runs agree and a model
    that gives every item one score is not lifted by the order of a sort. Cost: O(N) a row to
    part, O(K log K) to sort.

    Args:
        scores: float `[B, N]`; not changed. An item of score -inf is never listed.
        k: Places of each list.
        seen: Sparse `[B, N]`; items with an entry in a row are left out of that row's list.

    Returns:
        int64 `[B, K]`, item indexes; `NO_ITEM` in places that no item is left for.

    Raises:
        ValueError: If `k` is below 1, the shapes do not fit or a score is NaN.

    Example:
        >>> scores = np.array([[0.1, 0.7, 0.7, 0.2], [0.4, 0.3, 0.2, 0.1]])
        >>> seen = sparse.csr_matrix([[0, 0, 0, 0], [1, 1, 0, 1]])
        >>> top_k(scores, 2, seen).tolist()
        [[1, 2], [2, -1]]
    """
    scores = _checked(scores, k)
    if seen is not None:
        scores = _without(scores, seen)
    num_rows, num_items = scores.shape
    items = np.full((num_rows, k), NO_ITEM, dtype=np.int64)
    num_listed = min(k, num_items)
    if num_listed == 0 or num_rows == 0:
        return items
    chosen = _highest(scores, num_listed)
    values = np.take_along_axis(scores, chosen, axis=1)
    # `chosen` ascends by index, hence a stable sort breaks ties by the lower index.
    order = np.argsort(-values, axis=1, kind="stable")
    chosen = np.take_along_axis(chosen, order, axis=1)
    is_left_out = np.take_along_axis(values, order, axis=1) == -np.inf
    items[:, :num_listed] = np.where(is_left_out, NO_ITEM, chosen)
    return items


def _highest(scores: Array, k: int) -> IntArray:
    """Indexes `[B, K]` of the `K` highest of each row, ascending by index."""
    num_rows, num_items = scores.shape
    if k == num_items:
        return np.broadcast_to(np.arange(num_items), scores.shape)
    # The K-th value of each row; which of several equal items a partition keeps is chance, so
    # only the value is taken from it.
    last = np.partition(scores, num_items - k, axis=1)[:, num_items - k, None]
    is_chosen = scores >= last
    tied = np.flatnonzero(is_chosen.sum(axis=1) > k)
    if len(tied):
        is_above = scores[tied] > last[tied]
        is_equal = scores[tied] == last[tied]
        num_open = k - is_above.sum(axis=1, keepdims=True)
        is_chosen[tied] = is_above | (is_equal & (np.cumsum(is_equal, axis=1) <= num_open))
    return np.nonzero(is_chosen)[1].reshape(num_rows, k)


def _checked(scores: Array, k: int) -> Array:
    scores = np.asarray(scores)
    if k < 1:
        raise ValueError(f"`k` must be at least 1, received {k}.")
    if scores.ndim != 2:
        raise ValueError(f"`scores` must be [B, N], received shape {scores.shape}.")
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    is_nan = np.isnan(scores).any(axis=1)
    if is_nan.any():
        raise ValueError(
            f"`scores` must not be NaN, received NaN in {int(is_nan.sum())} of {len(scores)} rows; "
            "look for a diverged loss or a missing input; -inf leaves an item out."
        )
    return scores


def _without(scores: Array, seen: sparse.csr_matrix) -> Array:
    seen = sparse.csr_matrix(seen)
    if seen.shape != scores.shape:
        raise ValueError(
            f"`seen` must have the shape of `scores`, {scores.shape}, received {seen.shape}."
        )
    scores = scores.copy()
    scores[np.repeat(np.arange(len(scores)), np.diff(seen.indptr)), seen.indices] = -np.inf
    return scores
