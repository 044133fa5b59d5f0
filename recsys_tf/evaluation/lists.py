"""What the lists of a ranking are worth besides being right, by the names of the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from scipy import sparse

from recsys_tf.metrics import (
    LIST_METRICS,
    USER_LIST_METRICS,
    Lists,
    RankingValues,
    relevance_at_places,
    top_k,
)
from recsys_tf.types import Array, IntArray


def with_list_metrics(
    values: RankingValues,
    names: Iterable[str],
    seen: sparse.csr_matrix,
    relevant: sparse.csr_matrix,
    cutoffs: Iterable[int],
    item_vectors: Array,
    *,
    is_seen_excluded: bool = True,
) -> RankingValues:
    """Adds metrics of the lists to those of a ranking that kept them.

    Args:
        values: The ranking, with `top_items`.
        names: Keys of `LIST_METRICS` or `USER_LIST_METRICS`.
        seen: Sparse `[all users, N]`, the known events: what popularity and novelty count.
        relevant: Sparse `[all users, N]`, the held-out positives.
        cutoffs: The `K`s.
        item_vectors: float `[N, D]`.
        is_seen_excluded: Whether popularity's lists leave out what the user has met, as these do.

    Returns:
        The same, with `<name>_at_K` in `by_user`, or in `coverage` for what all lists have
        together.
    """
    names = list(names)
    if not names:
        return values
    assert values.top_items is not None
    by_user, together = dict(values.by_user), dict(values.coverage)
    users, num_items = values.user_indexes, relevant.shape[1]
    counts = np.diff((seen > 0).tocsc().indptr)
    excluded = seen[users] if is_seen_excluded else None
    for k in sorted(set(cutoffs)):
        top_items = values.top_items[:, :k].astype(np.int64)
        lists = Lists(
            top_items,
            relevance_at_places(top_items, relevant[users]) > 0,
            counts,
            max(int((np.diff(seen.indptr) > 0).sum()), 1),
            item_vectors,
            _popular(counts, len(users), k, excluded),
        )
        for name in names:
            if name in LIST_METRICS:
                together[f"{name}_at_{k}"] = LIST_METRICS[name](top_items, num_items)
            else:
                by_user[f"{name}_at_{k}"] = USER_LIST_METRICS[name](lists)
    return replace(values, by_user=by_user, coverage=together)


def _popular(
    counts: IntArray, num_users: int, k: int, seen: sparse.csr_matrix | None
) -> sparse.csr_matrix:
    """Returns the `K` most popular items of each user, sparse `[U, N]`."""
    num_items = len(counts)
    step = max(2**22 // max(num_items, 1), 1)
    lists = [
        top_k(
            np.broadcast_to(counts.astype(np.float32), (min(step, num_users - start), num_items)),
            k,
            None if seen is None else seen[start : start + step],
        )
        for start in range(0, num_users, step)
    ]
    items = np.concatenate([np.zeros((0, k), np.int64), *lists])
    rows, places = np.nonzero(items >= 0)
    ones = np.ones(len(rows))
    return sparse.csr_matrix((ones, (rows, items[rows, places])), (num_users, num_items))
