"""What the losses against sampled negatives have in common: draws, sparse gathers, scores."""

from __future__ import annotations

from abc import abstractmethod

import tensorflow as tf

from recsys_tf.tasks.computed_table import take_rows
from recsys_tf.tasks.negative_sampling import Negatives, Sampler
from recsys_tf.tasks.retrieval_loss import RetrievalLoss
from recsys_tf.types import Tensor


class SampledLoss(RetrievalLoss):
    """Base class of losses of a positive's score and of sampled negatives' scores.

    Only the rows that were drawn are read, and a variable's gradient is `tf.IndexedSlices` of them:
    a step costs what it draws, not what the catalogue holds. A draw that hit the position's own
    positive is no negative. Draws come anew at each call, in evaluation too.

    A subclass sets `_losses` and `get_config`.

    Args:
        sampler: Draws the negatives.
        temperature: Scores are divided by it, above 0.
    """

    def __init__(self, sampler: Sampler, temperature: float) -> None:
        check_temperature(temperature)
        self._sampler = sampler
        self.temperature = temperature

    def _total(
        self, queries: Tensor, positives: Tensor, table: Tensor, weights: Tensor, training: bool
    ) -> Tensor:
        num_rows = table.shape[0] if table.shape[0] is not None else tf.shape(table)[0]
        negatives = self._sampler(positives, num_rows)
        queries = queries / self.temperature
        positive_vectors = tf.cast(take_rows(table, positives), tf.float32)
        positive_scores = tf.reduce_sum(queries * positive_vectors, axis=1)
        negative_scores = score(queries, table, negatives.ids)
        losses = self._losses(
            positive_scores,
            negative_scores,
            tf.not_equal(negatives.ids, positives[:, tf.newaxis]),
            negatives,
            num_rows,
        )
        return tf.reduce_sum(weights * losses)

    @abstractmethod
    def _losses(
        self,
        positive_scores: Tensor,
        negative_scores: Tensor,
        is_negative: Tensor,
        negatives: Negatives,
        num_rows: int | Tensor,
    ) -> Tensor:
        """Computes the losses `[M]` of scores `[M]` and `[M, K]`."""


def score(queries: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    """Computes the dot products of queries with rows of a table.

    Args:
        queries: float32 `[M, D]`.
        table: float `[N, D]`.
        ids: int32 `[K]`, scored with all queries, or `[M, K]`.

    Returns:
        float32 `[M, K]`.

    Example:
        >>> score(tf.constant([[2.0], [3.0]]), tf.constant([[1.0], [5.0]]), tf.constant([[1], [0]]))
        <tf.Tensor: shape=(2, 1), dtype=float32, numpy=
        array([[10.],
               [ 3.]], dtype=float32)>
    """
    vectors = tf.cast(take_rows(table, ids), tf.float32)
    if ids.shape.rank == 1:
        return tf.matmul(queries, vectors, transpose_b=True)
    return tf.matmul(vectors, queries[:, :, tf.newaxis])[:, :, 0]


def check_temperature(temperature: float) -> None:
    """Raises an error where a temperature is not above 0.

    Args:
        temperature: What was received.

    Raises:
        ValueError: If it is 0, below, or NaN.
    """
    if not temperature > 0:
        raise ValueError(f"`temperature` must be above 0, received {temperature!r}.")
