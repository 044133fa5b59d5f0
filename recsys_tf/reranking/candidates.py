"""The candidates of each request, checked once and put in the order of their relevance."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from recsys_tf.layers.shapes import check_rank
from recsys_tf.types import Tensor

# Below it the length of a vector is noise, and its direction says nothing.
_SHORTEST_SQUARED = 1e-12
# Similarities are rounded to steps of about 1e-6.
_STEPS = 2.0**20


class Candidates:
    """Holds what the rerankers compute with: candidates in the order of relevance, best first.

    Sorted once, so that the first of several equal scores is the more relevant one, and of
    equally relevant ones that of the lower index; and no rounding can part the answer without
    diversity from the plain list of the best.

    Args:
        relevance: Float `[B, N]`; more is better. -inf and NaN stand for no candidate.
        vectors: Float `[B, N, D]`, or None where `similarity` is given.
        similarity: Float `[B, N, N]`, symmetric, 1 between equals; used as it is.
        is_excluded: Bool `[B, N]`, the candidates that must not be answered; None for none.

    Attributes:
        order: int32 `[B, N]`, the index of each sorted candidate.
        is_valid: Bool `[B, N]`, sorted: whether it may be answered.
        relevance: float32 `[B, N]`, sorted, scaled to `[0, 1]` within each request.
        similarity: float32 `[B, N, N]`, sorted on both axes.

    Raises:
        ValueError: If there is no candidate, a rank is wrong, or both or none of `vectors` and
            `similarity` are given.
    """

    def __init__(
        self,
        relevance: Tensor,
        vectors: Tensor | None,
        similarity: Tensor | None,
        is_excluded: Tensor | None,
    ) -> None:
        relevance = as_floats("relevance", relevance, 2)
        if relevance.shape[1] == 0:
            raise ValueError("`relevance` must hold at least one candidate, received none.")
        if (vectors is None) == (similarity is None):
            raise ValueError(
                "`vectors` or `similarity` must be given, one of them, received "
                f"{'none' if vectors is None else 'both'}."
            )
        is_valid = relevance > -float("inf")
        if is_excluded is not None:
            is_excluded = tf.convert_to_tensor(is_excluded, tf.bool)
            check_rank("is_excluded", is_excluded.shape, 2)
            is_valid &= ~is_excluded
        sortable = tf.where(is_valid, relevance, -float("inf"))
        # Of equal values `top_k` puts the lower index first.
        top = tf.math.top_k(sortable, tf.shape(relevance)[1])
        self.order = top.indices
        self.is_valid = top.values > -float("inf")
        # An infinite one would make the differences to it infinite, or no number.
        self.relevance = _scaled(tf.minimum(top.values, tf.float32.max), self.is_valid)
        if vectors is not None:
            vectors = self.sorted(as_floats("vectors", vectors, 3))
            self.similarity = half_cosines(vectors)
        else:
            rows = self.sorted(as_floats("similarity", similarity, 3))
            self.similarity = tf.gather(rows, self.order, axis=2, batch_dims=1)

    def sorted(self, values: Tensor) -> Tensor:
        """Returns values `[B, N, ...]` of the candidates in the order of relevance."""
        return tf.gather(values, self.order, batch_dims=1)

    def positions(self, picks: Tensor, num_places: Tensor, is_sorted: bool) -> Tensor:
        """Turns picks of sorted candidates into candidates' indices.

        Args:
            picks: int32 `[B, P]`, sorted candidates; negative where nothing was left.
            num_places: int32 scalar `K`; picks beyond are cut, missing places are filled up.
            is_sorted: Whether they are put in the order of relevance.

        Returns:
            int32 `[B, K]`, -1 for an empty place.
        """
        picks = picks[:, :num_places]
        if is_sorted:
            # As unsigned numbers, of which -1, the empty place, is the highest.
            picks = tf.bitcast(tf.sort(tf.bitcast(picks, tf.uint32), axis=1), tf.int32)
        is_filled = picks >= 0
        found = tf.gather(self.order, tf.maximum(picks, 0), batch_dims=1)
        found = tf.where(is_filled, found, -1)
        missing = num_places - tf.shape(picks)[1]
        return tf.pad(found, [[0, 0], [0, missing]], constant_values=-1)


def half_cosines(vectors: Tensor) -> Tensor:
    """Computes `(1 + cos(v_i, v_j)) / 2`, which is 1 for one direction and 0 for opposite ones.

    Args:
        vectors: float32 `[B, N, D]`; a zero vector has the cosine 0 to all but itself.

    Returns:
        float32 `[B, N, N]`, positive semi-definite with a diagonal of 1.
    """
    squared = tf.reduce_sum(vectors * vectors, axis=-1, keepdims=True)
    vectors *= tf.math.rsqrt(tf.maximum(squared, _SHORTEST_SQUARED))
    halves = 0.5 + 0.5 * tf.matmul(vectors, vectors, transpose_b=True)
    # The order of a product's sums depends on the place; equal items must stay equal.
    halves = tf.round(halves * _STEPS) / _STEPS
    return tf.linalg.set_diag(halves, tf.ones(tf.shape(vectors)[:2]))


def as_floats(argument: str, values: Any, rank: int) -> Tensor:
    """Returns values as a float32 tensor of a checked rank.

    Raises:
        ValueError: If the rank is another one.
    """
    tensor = tf.convert_to_tensor(values)
    check_rank(argument, tensor.shape, rank)
    return tf.cast(tensor, tf.float32)


def _scaled(relevance: Tensor, is_valid: Tensor) -> Tensor:
    """Scales each request's sorted relevance to `[0, 1]`; 0 where all are equal or not valid."""
    # Halves, since the difference of two large numbers may be infinite.
    relevance = relevance / 2
    highest = relevance[:, :1]
    lowest = tf.reduce_min(tf.where(is_valid, relevance, float("inf")), axis=1, keepdims=True)
    is_spread = is_valid & (highest > lowest)
    # Divided by 1 where the quotient is not used, so that no NaN arises there.
    span = tf.where(is_spread, highest - lowest, 1.0)
    return tf.where(is_spread, (relevance - lowest) / span, 0.0)
