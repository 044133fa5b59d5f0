"""Max-sum diversification."""

from __future__ import annotations

import tensorflow as tf

from recsys_tf.reranking.requests import rerank
from recsys_tf.types import Tensor


def max_sum(
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
    """Picks item by item what is relevant and unlike the picked items taken together.

    The next item is `argmax_i (1 - d) r_i - d sum_{j picked} s_ij` with `r` the relevance, scaled
    to `[0, 1]` within each request, `s_ij = (1 + cos(v_i, v_j)) / 2` and `d` the diversity. The
    sum over a list of what its items lack in similarity is its intra-list diversity, so that this
    buys the most of it for the least relevance; `d` counts once a picked item, and values of .1 to
    .2 go far. `mmr` looks at the nearest picked item only, `dpp` at the volume that the list spans.
    Memory: `B N^2` numbers.

    Args:
        relevance: Float `[B, N]`; see `mmr`, for all arguments.
        vectors: Float `[B, N, D]`, or None.
        k: Places `K`, int or scalar int32 tensor.
        diversity: From 0 to 1, one number or `[B]`.
        similarity: Float `[B, N, N]` in place of `vectors`, symmetric, 0 or above, 1 between
            equals.
        is_excluded: Bool `[B, N]`.
        categories: int `[B, N]` or flags `[B, N, C]`.
        max_per_category: int, or int tensor, scalar or `[B]`.
        is_sorted: Whether the list is answered in the order of relevance.

    Returns:
        int32 `[B, K]`, indices of candidates in the order of the list; -1 for an empty place.

    Raises:
        ValueError: See `mmr`.
        TypeError: See `mmr`.
        tf.errors.InvalidArgumentError: See `mmr`.

    Example:
        >>> relevance, vectors = [[0.9, 0.8, 0.1]], [[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]
        >>> max_sum(relevance, vectors, 3, 0.0).numpy().tolist()
        [[0, 1, 2]]
        >>> max_sum(relevance, vectors, 3, 0.8).numpy().tolist()
        [[0, 2, 1]]

    Source: Gollapudi and Sharma, 2009, "An Axiomatic Approach for Result Diversification",
        https://doi.org/10.1145/1526709.1526761, section 3.1; Borodin et al., 2012, "Max-Sum
        Diversification, Monotone Submodular Functions and Dynamic Updates",
        https://arxiv.org/abs/1203.6397, for the greedy choice and what it guarantees. The number of
        places is not in the trade-off here, so that a shorter list begins a longer one.
    """
    return rerank(
        _AllPicked,
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


class _AllPicked:
    """Lowers each score by the similarity to every picked item."""

    def __init__(
        self, scores: Tensor, similarity: Tensor, diversity: Tensor, num_picks: Tensor
    ) -> None:
        lowered_by = diversity[:, tf.newaxis] * similarity
        self._lowered_by = tf.linalg.set_diag(lowered_by, tf.fill(tf.shape(scores), float("inf")))
        self.start = scores

    def after(self, picked: Tensor, place: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        left = state - tf.gather(self._lowered_by, picked, batch_dims=1)
        return left, left
