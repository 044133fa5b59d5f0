"""Maximal marginal relevance."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from recsys_tf.reranking.requests import rerank
from recsys_tf.types import Tensor


def mmr(
    relevance: Tensor,
    vectors: Tensor | None,
    k: int | Tensor,
    diversity: float | Tensor,
    *,
    similarity: Tensor | None = None,
    is_excluded: Tensor | None = None,
    categories: Tensor | None = None,
    max_per_category: int | Tensor | None = None,
    is_sorted: bool = False,
) -> Tensor:
    """Picks item by item what is relevant and unlike every item picked before.

    The next item is `argmax_i (1 - d) r_i - d max_{j picked} s_ij` with `r` the relevance, scaled
    to `[0, 1]` within each request, `s_ij = (1 + cos(v_i, v_j)) / 2` and `d` the diversity; the
    first item is the most relevant one. Only the nearest picked item counts: choose it to keep
    near-duplicates apart, and where a short time matters; choose `dpp` where the list as a whole
    shall span the tastes. Memory: `B N^2` numbers.

    Args:
        relevance: Float `[B, N]`, of any scale; more is better. -inf and NaN stand for no
            candidate.
        vectors: Float `[B, N, D]`, the candidates' vectors, of any length; only their directions
            count, and a zero vector is halfway to all others. None where `similarity` is given.
        k: Places `K` of the list: an int of at least 1, or a scalar int32 tensor, where 0 or less
            gives lists without a place. A shorter list is a prefix of a longer one.
        diversity: Trade-off from 0 (exactly the `K` most relevant, in their order) to 1 (relevance
            chooses the first item only); one number, or one a request, `[B]`, as a tensor.
        similarity: Float `[B, N, N]` in place of `vectors`, symmetric, 1 between equals; below 0
            counts as 0.
        is_excluded: Bool `[B, N]`, candidates that must not be answered.
        categories: int `[B, N]`, each candidate's category (below 0: in none), or flags
            `[B, N, C]` for items of several categories.
        max_per_category: Items of one category in the list; an int, or an int tensor, scalar or
            `[B]`, where 0 or less sets no cap. A candidate is left out as soon as one of its
            categories is full.
        is_sorted: Whether what was picked is answered in the order of relevance, which costs the
            list less of its NDCG; a shorter list is then no prefix of a longer one.

    Returns:
        int32 `[B, K]`, indices of candidates in the order of the list; -1 for a place that no
        candidate is left for. Of equal scores the more relevant candidate comes first, of equally
        relevant ones that of the lower index.

    Raises:
        ValueError: If a rank is wrong, there is no candidate, `k` or `max_per_category` is an int
            below 1, `diversity` is outside of `[0, 1]`, not exactly one of `vectors` and
            `similarity` is given, or only one of `categories` and `max_per_category`.
        TypeError: If categories `[B, N]` are not integers.
        tf.errors.InvalidArgumentError: If `diversity` is a tensor of a graph outside of `[0, 1]`.

    Example:
        >>> relevance, vectors = [[0.9, 0.8, 0.1]], [[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]
        >>> mmr(relevance, vectors, 3, 0.0).numpy().tolist()
        [[0, 1, 2]]
        >>> mmr(relevance, vectors, 3, 0.8).numpy().tolist()
        [[0, 2, 1]]

    Source: Carbonell and Goldstein, 1998, "The use of MMR, diversity-based reranking for reordering
        documents and producing summaries", https://doi.org/10.1145/290941.291025, section 2. There
        `lambda = 1 - d`; relevance and similarity are put on one scale here, so that a trade-off
        means the same for every model.
    """
    return rerank(
        _NearestPicked,
        relevance,
        vectors,
        k,
        diversity,
        similarity=similarity,
        is_excluded=is_excluded,
        categories=categories,
        max_per_category=max_per_category,
        is_sorted=is_sorted,
    )


class _NearestPicked:
    """Lowers each score by the similarity to the picked item, where that is the nearest yet."""

    def __init__(
        self, scores: Tensor, similarity: Tensor, diversity: Tensor, num_picks: Tensor
    ) -> None:
        # `r_i - max_j s_ij = min_j (r_i - s_ij)`: with all differences made before the loop, a
        # pick costs an argmax, a row and a minimum.
        lowered = scores[:, tf.newaxis] - diversity[:, tf.newaxis] * similarity
        taken = tf.fill(tf.shape(scores), -float("inf"))
        self._lowered = tf.linalg.set_diag(lowered, taken)
        self.start = ()

    def after(self, picked: Tensor, place: Tensor, state: Any) -> tuple[Tensor, Any]:
        return tf.gather(self._lowered, picked, batch_dims=1), state
