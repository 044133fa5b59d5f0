"""Where a sequential recommender puts the items that it is asked for."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from recsys_tf.models.sequence_parts import step_column
from recsys_tf.types import NUM_RESERVED_INDICES, PADDING_INDEX, Tensor

_CUTOFF = 10


class QuestionMetrics:
    """Measures the ranks of the items asked for: `hit_at_10` and `ndcg_at_10`, means by weight.

    Attributes:
        hit: The share of the questions whose item is among the first ten.
        ndcg: The mean of `1 / log2(rank + 2)` of these, ranks counted from 0, and 0 of the others.
    """

    def __init__(self) -> None:
        self.hit = keras.metrics.Mean(name=f"hit_at_{_CUTOFF}")
        self.ndcg = keras.metrics.Mean(name=f"ndcg_at_{_CUTOFF}")

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics' names."""
        return self.hit.name, self.ndcg.name

    def update(self, scores: Tensor, items: Tensor, seen: Tensor, weights: Tensor) -> None:
        """Adds the questions of a batch to the means.

        Args:
            scores: float32 `[M, N]`, by the index of the item.
            items: int `[M]`, the items asked for; a reserved index is found nowhere.
            seen: int `[M, L]`, items that are no rivals; see `num_before`.
            weights: float32 `[M]`.
        """
        ranks = num_before(scores, items, seen)
        # An item of which nothing is known is never answered, and so never found.
        is_hit = tf.cast((ranks < _CUTOFF) & (items >= NUM_RESERVED_INDICES), tf.float32)
        self.hit.update_state(is_hit, sample_weight=weights)
        gain = is_hit * np.log(2.0) / tf.math.log(ranks + 2.0)
        self.ndcg.update_state(gain, sample_weight=weights)


def num_before(scores: Tensor, positives: Tensor, seen: Tensor) -> Tensor:
    """Counts the items that stand before the positives; ties count against these.

    Args:
        scores: float32 `[M, N]`, by index.
        positives: int `[M]`, the items asked for, which do not count themselves.
        seen: int `[M, L]`, items that do not count; what is not below `N` is no item.

    Returns:
        float32 `[M]`; infinity where the score of the positive is NaN.

    Example:
        >>> scores = tf.constant([[9.0, 9.0, 1.0, 3.0, 1.0]])
        >>> [num_before(scores, [2], seen).numpy().tolist() for seen in ([[0]], [[3, 3, 5]])]
        [[2.0], [1.0]]
    """
    positives = tf.cast(positives, tf.int32)
    own = tf.gather(scores, positives, batch_dims=1)[:, tf.newaxis]
    # Whatever is not surely behind stands before: a tie, and a score that is NaN.
    is_before = tf.cast(~(scores[:, NUM_RESERVED_INDICES:] < own), tf.float32)
    # A seen item counts once, however often it was met; padding and masks are no items.
    seen = tf.concat([tf.cast(seen, tf.int32), positives[:, tf.newaxis]], axis=1)
    seen = tf.where(seen < tf.shape(scores)[1], seen, PADDING_INDEX)
    rows = tf.repeat(tf.range(tf.shape(seen)[0]), tf.shape(seen)[1])
    cells = tf.stack([rows, tf.reshape(seen, [-1])], axis=1)
    is_seen = tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1]), tf.shape(scores)) > 0
    unseen = tf.cast(~is_seen[:, NUM_RESERVED_INDICES:], tf.float32)
    count = tf.reduce_sum(is_before * unseen, axis=1)
    return tf.where(tf.math.is_nan(own[:, 0]), np.inf, count)


def without_seen(inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    """Parts what a model reads from what it is not measured by.

    Args:
        inputs: The batch; with `seen` where `make_question_dataset` was asked for it.

    Returns:
        The batch without `seen`; and that, int `[B, S]`, or else the events that are read.
    """
    read = {name: each for name, each in inputs.items() if name != "seen"}
    return read, inputs["seen"] if "seen" in inputs else step_column(inputs, "items")


def question_weights(sample_weight: Tensor | None, asked: Tensor) -> Tensor:
    """Picks the weights of the questions of a batch.

    Args:
        sample_weight: float `[B, L]`, or None where all weigh alike.
        asked: int64 `[M, 2]`, row and position of each question.

    Returns:
        float32 `[M]`.

    Raises:
        ValueError: If the weights are of another rank.
    """
    if sample_weight is None:
        return tf.ones(tf.shape(asked)[:1])
    rank = tf.convert_to_tensor(sample_weight).shape.rank
    if rank not in (2, None):
        raise ValueError(
            f"`sample_weight` must be [B, L], a weight for each question, received rank {rank}."
        )
    return tf.cast(tf.gather_nd(sample_weight, asked), tf.float32)
