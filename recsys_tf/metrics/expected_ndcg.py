"""NDCG of scores with ties, of whatever order the candidates were handed over in."""

from __future__ import annotations

import numpy as np

from recsys_tf.metrics.top_k import top_k
from recsys_tf.types import Array, FloatArray


def expected_ndcg(scores: Array, is_relevant: Array, k: int) -> FloatArray:
    """Computes the mean NDCG@K over all orders of candidates with equal scores.

    Each place that equal scores share holds the share of relevant ones among them, so that a score
    that is the same for all candidates is worth as much as chance. Choose it where the columns are
    no random order, as in lists that name the positive first; `ndcg` of `top_k` gives equal scores
    the order of their columns.

    Args:
        scores: float `[B, N]`; -inf for what is no candidate, which is never listed.
        is_relevant: bool `[B, N]`. One that is no candidate counts as missed: an item that should
            have been found.
        k: Cut-off `K`.

    Returns:
        float64 `[B]`, between 0 and 1; NaN for a row where nothing is relevant.

    Raises:
        ValueError: If the shapes differ, `k` is below 1, or a score is NaN.

    Example:
        >>> scores = np.array([[0.5, 0.5, 0.5, 0.5], [0.1, 0.9, 0.1, 0.1]])
        >>> is_relevant = np.array([[True, False, False, False]] * 2)
        >>> expected_ndcg(scores, is_relevant, k=1).tolist()
        [0.25, 0.0]

    Source: McSherry and Najork, 2008, "Computing Information Retrieval Performance Measures
        Efficiently in the Presence of Tied Scores",
        https://doi.org/10.1007/978-3-540-78646-7_38, section 2.
    """
    scores, is_relevant = np.asarray(scores), np.asarray(is_relevant, bool)
    items = top_k(scores, k)
    if is_relevant.shape != scores.shape:
        raise ValueError(
            f"`is_relevant` must have the shape of `scores`, {scores.shape}, received "
            f"{is_relevant.shape}."
        )
    num_relevant = is_relevant.sum(axis=1)
    if not num_relevant.any():
        return np.full(len(scores), np.nan)
    places = np.maximum(items, 0)
    values = np.where(items >= 0, np.take_along_axis(scores, places, axis=1), -np.inf)
    hits = np.take_along_axis(is_relevant, places, axis=1) & (items >= 0)
    discounts = 1 / np.log2(np.arange(2, k + 2))
    best = np.concatenate([[1.0], np.cumsum(discounts)])[np.minimum(num_relevant, k)]
    gains = _shares(scores, is_relevant, values, hits) @ discounts / best
    return np.where(num_relevant > 0, gains, np.nan)


def _shares(scores: Array, is_relevant: Array, values: Array, hits: Array) -> FloatArray:
    """Returns, for each place of `[B, K]`, the share of relevant ones among those of its score."""
    is_first = np.ones(values.shape, bool)
    is_first[:, 1:] = values[:, 1:] != values[:, :-1]
    # A number for each run of equal scores, of all rows together.
    runs = np.cumsum(is_first).reshape(values.shape) - 1
    found = np.bincount(runs.ravel(), hits.ravel()) / np.bincount(runs.ravel())
    # The last run may go on behind the list.
    last = values[:, -1:]
    is_last = (scores == last) & (scores > -np.inf)
    of_last = (is_last & is_relevant).sum(axis=1) / np.maximum(is_last.sum(axis=1), 1)
    return np.where(values == last, of_last[:, np.newaxis], found[runs])
