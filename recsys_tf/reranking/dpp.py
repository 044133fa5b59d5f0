"""Greedy inference of a determinantal point process."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from recsys_tf.reranking.requests import rerank
from recsys_tf.types import Tensor

# A candidate that the picked ones leave less of its variance is taken for their copy. Well above
# the rounding of float32 sums, so that copies are told by this and not by noise.
_LEAST_VARIANCE = 1e-5
# Logarithms are rounded to steps of 1 / 65536: TensorFlow computes the last few of a row by
# another routine than the first, and equal candidates must stay equal.
_STEPS = 2.0**16


def dpp(
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
    """Picks item by item what is relevant and enlarges the volume that the list's vectors span.

    The next item is the `i` for which `(1 - d) sum_{j in Y} r_j + d log det S_Y` is largest with
    `i` added to the list `Y`: `argmax_i (1 - d) r_i + d log v_i`, where `v_i` is what the picked
    items leave of `i`'s variance `S_ii = 1`. `r` is the relevance, scaled to `[0, 1]` within each
    request, `S_ij = (1 + cos(v_i, v_j)) / 2` and `d` the diversity. All picked items count
    together: an item between two picked ones is seen as known. `v` comes from a Cholesky factor
    that grows by one row a pick, in `O(K^2 N)` for all. Memory: `B N^2` numbers.

    The kernel's rank is at most `D + 1`: in a longer list, and among copies, every candidate
    that adds nothing has the same least variance, and relevance orders them.

    Args:
        relevance: Float `[B, N]`; see `mmr`, for all arguments.
        vectors: Float `[B, N, D]`, or None.
        k: Places `K`, int or scalar int32 tensor.
        diversity: From 0 to 1, one number or `[B]`.
        similarity: Float `[B, N, N]` in place of `vectors`, positive semi-definite with a
            diagonal of 1.
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
        >>> dpp(relevance, vectors, 3, 0.0).numpy().tolist()
        [[0, 1, 2]]
        >>> dpp(relevance, vectors, 3, 0.8).numpy().tolist()
        [[0, 2, 1]]

    Source: Chen, Zhang and Zhou, 2018, "Fast Greedy MAP Inference for Determinantal Point Process
        to Improve Recommendation Diversity", https://arxiv.org/abs/1709.05135, algorithm 1 and the
        trade-off of its section 5, with `theta = 1 - d`. There the list ends where the variance is
        used up; here it goes on by relevance, since a request wants `K` items.
    """
    return rerank(
        _VarianceLeft,
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


class _VarianceLeft:
    """Keeps the variance that the picked items leave, and the Cholesky rows `[B, K, N]`."""

    def __init__(
        self, scores: Tensor, similarity: Tensor, diversity: Tensor, num_picks: Tensor
    ) -> None:
        self._similarity, self._diversity = similarity, diversity
        num_rows, num = tf.unstack(tf.shape(scores))
        self._at_place = tf.eye(num_picks)[:, :, tf.newaxis]
        # Row `j` is what is left to pick after `j` was.
        rows = tf.broadcast_to(scores[:, tf.newaxis], tf.shape(similarity))
        self._open = tf.linalg.set_diag(rows, tf.fill([num_rows, num], -float("inf")))
        self.start = (tf.ones([num_rows, num]), tf.zeros([num_rows, num_picks, num]))

    def after(self, picked: Tensor, place: Tensor, state: Any) -> tuple[Tensor, Any]:
        variance, factor = state
        # No matrix product: at this size its start costs more than all that is computed.
        cells = tf.expand_dims(picked, 1)
        own = tf.gather(factor, cells, axis=2, batch_dims=1)
        known = tf.reduce_sum(factor * own, axis=1)
        left = tf.gather(variance, cells, batch_dims=1)
        # A copy adds no row; dividing by its variance would add noise.
        scale = tf.where(left > _LEAST_VARIANCE, tf.math.rsqrt(left), 0.0)
        row = (tf.gather(self._similarity, picked, batch_dims=1) - known) * scale
        variance -= row * row
        # Not by a scatter, which refuses a batch of no requests.
        factor += tf.gather(self._at_place, place) * tf.expand_dims(row, 1)
        volume = tf.math.log(tf.maximum(variance, _LEAST_VARIANCE))
        gain = tf.round(volume * _STEPS) * (self._diversity / _STEPS)
        return tf.gather(self._open, picked, batch_dims=1) + gain, (variance, factor)
