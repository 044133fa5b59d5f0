"""Negatives of each user for `sampled_ranking`, drawn from the items that the user has not met."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.types import IntArray

DRAWN_USERS = 1024
"""Users whose random numbers are dense at once: bounds the memory to `DRAWN_USERS x N` floats."""


def draw_negatives(
    met: sparse.csr_matrix,
    num_negatives: int,
    seed: int,
    user_indexes: IntArray | None = None,
) -> IntArray:
    """Draws negatives of each user, uniformly and without replacement from the items not met.

    Args:
        met: Sparse `[all users, N]`; a stored entry is an item that is no negative. The positive
            of the test belongs into it as well.
        num_negatives: Negatives a user, `k`.
        seed: Seed of the draw.
        user_indexes: int `[U]`, rows of `met`; None takes all.

    Returns:
        int64 `[U, k]`, ascending in each row; `np.column_stack([positives, negatives])` makes
        candidates of them.

    Raises:
        ValueError: If `k` is below 1, or a user has not met fewer than `k` items.

    Example:
        >>> draw_negatives(sparse.csr_matrix([[1, 0, 0], [0, 0, 1]]), 2, seed=0).tolist()
        [[1, 2], [0, 1]]
    """
    met = sparse.csr_matrix(met)
    if num_negatives < 1:
        raise ValueError(f"`num_negatives` must be at least 1, received {num_negatives}.")
    users = np.arange(met.shape[0]) if user_indexes is None else np.asarray(user_indexes)
    rng = np.random.default_rng(seed)
    negatives = np.zeros((len(users), num_negatives), np.int64)
    for start in range(0, len(users), DRAWN_USERS):
        block = met[users[start : start + DRAWN_USERS]]
        # The k smallest of one random number an item: uniform without replacement.
        keys = rng.random(block.shape)
        keys[np.repeat(np.arange(block.shape[0]), np.diff(block.indptr)), block.indices] = np.inf
        num_open = np.isfinite(keys).sum(axis=1)
        if (num_open < num_negatives).any():
            place = int(np.argmax(num_open < num_negatives))
            raise ValueError(
                f"`num_negatives` must not exceed the items that a user has not met, received "
                f"{num_negatives} for user {users[start + place]} with {num_open[place]}; draw "
                "fewer, or rank the whole catalogue."
            )
        drawn = np.argpartition(keys, num_negatives - 1, axis=1)[:, :num_negatives]
        negatives[start : start + DRAWN_USERS] = np.sort(drawn, axis=1)
    return negatives
