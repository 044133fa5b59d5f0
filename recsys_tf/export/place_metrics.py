"""Where each row's own item stands, and what that is worth: means over rows measure a ranking."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from recsys_tf.types import Tensor

ANSWERED = "answered"
"""In the names of the metrics of the list that `recommend` answers."""


def place_among(scores: Tensor, is_own: Tensor, is_open: Tensor) -> Tensor:
    """Finds the place of each row's own candidate among the open ones.

    An item with the same score counts as better by half, so that equal scores gain nothing.

    Args:
        scores: float32 `[B, C]`, all from one product: another sum would round another way, and an
            item could stand behind itself.
        is_own: bool `[B, C]`, True once in a row, or never where its item cannot be answered.
        is_open: bool `[B, C]`, what can be answered.

    Returns:
        float32 `[B]`, from 1 on; infinite where the row's item cannot be answered.

    Example:
        >>> is_own = [[False, True, False], [False, False, False]]
        >>> place_among([[0.3, 0.2, 0.2], [0.1, 0.2, 0.3]], is_own, [[True] * 3] * 2).numpy()
        array([2.5, inf], dtype=float32)
    """
    scores, is_own = tf.convert_to_tensor(scores), tf.convert_to_tensor(is_own)
    own = tf.reduce_max(tf.where(is_own, scores, scores.dtype.min), axis=1, keepdims=True)
    is_rival = is_open & ~is_own
    better, equal = (
        tf.math.count_nonzero(is_rival & each, axis=1, dtype=tf.float32)
        for each in (scores > own, tf.equal(scores, own))
    )
    return tf.where(tf.reduce_any(is_own, axis=1), 1 + better + equal / 2, float("inf"))


def place_metrics(name: str, place: Tensor, cutoffs: Sequence[int]) -> dict[str, Tensor]:
    """Computes hit and NDCG of one relevant item a row, at each cut-off.

    Args:
        name: What the metrics' names begin with.
        place: float32 `[B]`, from 1 on, infinite for none.
        cutoffs: The `K`s.

    Returns:
        `<name>_hit_at_K` and `<name>_ndcg_at_K`, float32 `[B]`: 1 and `1 / log2(1 + place)` within
        the first `K`, else 0.
    """
    values = {}
    for k in cutoffs:
        is_hit = tf.cast(place <= k, tf.float32)
        values[f"{name}_hit_at_{k}"] = is_hit
        values[f"{name}_ndcg_at_{k}"] = is_hit * tf.math.log(2.0) / tf.math.log(1 + place)
    return values


def hit_chances(
    name: str, is_own: Tensor, is_open: Tensor, cutoffs: Sequence[int]
) -> dict[str, Tensor]:
    """Computes how often each row's own candidate would be hit if the lists were drawn.

    Args:
        name: What the names begin with.
        is_own: bool `[B, C]`, as `place_among` takes it.
        is_open: bool `[B, C]`, what can be answered.
        cutoffs: The `K`s.

    Returns:
        `<name>_chance_at_K`, float32 `[B]`: `K` over the number of open candidates, at most 1; 0
        where the row's item cannot be answered.

    Example:
        >>> is_own, is_open = [[True, False], [False, False]], [[True, True], [True, False]]
        >>> hit_chances("watch", is_own, is_open, [1])["watch_chance_at_1"].numpy()
        array([0.5, 0. ], dtype=float32)
    """
    num_open = tf.math.count_nonzero(is_open, axis=1, dtype=tf.float32)
    can_be_hit = tf.reduce_any(is_own, axis=1)
    return {
        f"{name}_chance_at_{k}": tf.where(can_be_hit, tf.minimum(k / num_open, 1.0), 0.0)
        for k in cutoffs
    }
