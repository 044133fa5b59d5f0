"""From a request's inputs to a list: what all rerankers do before and after their own rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from recsys_tf.layers.shapes import check_positive
from recsys_tf.reranking.candidates import Candidates
from recsys_tf.reranking.category_caps import category_caps
from recsys_tf.reranking.greedy import Rule, greedy_picks, in_whole_rounds
from recsys_tf.types import Tensor

_SHARE = "`diversity` must be from 0 (relevance only) to 1 (diversity only)"

MakeRule = Callable[[Tensor, Tensor, Tensor, Tensor], Rule]
"""`(scores [B, N], similarity [B, N, N], diversity [B, 1], num_picks) -> rule`; the scores are
`(1 - diversity) relevance`, -inf for what is no candidate."""


def rerank(
    make_rule: MakeRule,
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
    """Runs the greedy choice under a reranker's rule and the caps.

    Args:
        make_rule: Makes the reranker's rule, of the candidates in the order of their relevance.
        relevance: See `mmr`, for all other arguments.
        vectors: See `mmr`.
        k: See `mmr`.
        diversity: See `mmr`.
        similarity: See `mmr`.
        is_excluded: See `mmr`.
        categories: See `mmr`.
        max_per_category: See `mmr`.
        is_sorted: See `mmr`.

    Returns:
        int32 `[B, K]`, indices of candidates, best first; -1 for an empty place.

    Raises:
        ValueError: See `mmr`.
        TypeError: See `mmr`.
    """
    if (categories is None) != (max_per_category is None):
        raise ValueError(
            "`categories` and `max_per_category` must be given together, received one of them."
        )
    # A tensor is a request's wish, which may be for nothing; an int is written in code.
    num_places = (
        check_positive("k", k) if isinstance(k, int) else tf.maximum(tf.cast(k, tf.int32), 0)
    )
    shares = _shares(diversity)
    candidates = Candidates(relevance, vectors, similarity, is_excluded)
    scores = tf.where(candidates.is_valid, (1 - shares) * candidates.relevance, -float("inf"))
    # One round at the least: a loop of none has no picks to stack.
    num_picks = in_whole_rounds(tf.maximum(tf.minimum(num_places, tf.shape(scores)[1]), 1))
    rules = [make_rule(scores, candidates.similarity, shares, num_picks)]
    if categories is not None and max_per_category is not None:
        rules.append(category_caps(categories, max_per_category, candidates))
    picks = greedy_picks(scores, rules, num_picks)
    return candidates.positions(picks, num_places, is_sorted)


def _shares(diversity: Any) -> Tensor:
    """Returns the checked trade-off, float32 `[B, 1]` or `[1, 1]`."""
    shares = tf.convert_to_tensor(diversity, tf.float32)
    if shares.shape.rank not in (0, 1):
        raise ValueError(
            "`diversity` must be one number or one a request, [B], received shape "
            f"{tuple(shares.shape)}."
        )
    known = tf.get_static_value(shares)
    if known is not None and not ((known >= 0) & (known <= 1)).all():
        raise ValueError(f"{_SHARE}, received {known.tolist()}.")
    return tf.reshape(checked_shares(shares), [-1, 1])


def checked_shares(shares: Tensor) -> Tensor:
    """Checks trade-offs that are known when a request is answered.

    Args:
        shares: float32, of any shape.

    Returns:
        The same.

    Raises:
        tf.errors.InvalidArgumentError: If one is NaN or outside of `[0, 1]`.

    Example:
        >>> checked_shares(tf.constant([0.0, 0.5])).numpy().tolist()
        [0.0, 0.5]
    """
    # The comparison is written so that NaN fails it as well.
    is_share = tf.reduce_all((shares >= 0) & (shares <= 1))
    with tf.control_dependencies([tf.debugging.Assert(is_share, [f"{_SHARE}, received", shares])]):
        return tf.identity(shares)
