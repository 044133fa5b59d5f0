"""The softmax over the items that the positions of a batch met."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys_tf.tasks.computed_table import take_rows
from recsys_tf.tasks.negative_sampling import (
    check_at_least,
    check_popularity_length,
    item_probabilities,
)
from recsys_tf.tasks.retrieval import summed_crossentropy
from recsys_tf.tasks.retrieval_loss import RetrievalLoss
from recsys_tf.tasks.sampled_loss import check_temperature
from recsys_tf.tasks.sampled_softmax import listed
from recsys_tf.types import FloatArray, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class InBatch(RetrievalLoss):
    """Computes `-log softmax_j(s_ij)[i]` of each positive over all positives `j` of the batch.

    `s_ij = q_i . t_j / temperature - a log p_j`, where `p_j` is the probability that a positive is
    item `j`: with `a = 1` popular items, which stand in more batches, are no more often negatives
    than others. It is `RetrievalTask`'s loss over a table. Positives that equal the position's own
    are no negatives. Scores are made in blocks, so that memory does not grow with `M^2`, and only
    the positives' rows are read and get a gradient.

    `MixedNegatives` with `batch_share=1` draws `K` of the same positives with replacement, and
    corrects the negatives alone. Here every positive is taken once, nothing is drawn, and the
    position's own score is corrected as well, as in the source. Neither pushes an item away that
    no position of the batch met; choose `MixedNegatives` with a lower share for that.

    Args:
        popularity: `[N]`, for each row of the table its count in the training rows, of which `p`
            is the share; an item of popularity 0 counts as the rarest other. None takes the shares
            of the batch's own positives.
        temperature: Scores are divided by it, above 0.
        correction: The factor `a`, 0 or above; 1 is the whole correction.

    Example:
        >>> table = tf.constant([[9.0], [9.0], [0.0], [0.0], [5.0]])
        >>> loss = InBatch()(tf.constant([[1.0], [1.0]]), tf.constant([2, 3]), table)
        >>> round(float(loss), 4)  # log 2: one of two equal items; the others were not met.
        0.6931

    Source:
        Yi et al., 2019, "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations", https://doi.org/10.1145/3298689.3346996, equation 3.
    """

    def __init__(
        self,
        popularity: Sequence[float] | FloatArray | None = None,
        temperature: float = 1.0,
        correction: float = 1.0,
    ) -> None:
        check_temperature(temperature)
        check_at_least("correction", correction, 0)
        self.temperature = temperature
        self.correction = correction
        self._popularity = listed(popularity)
        self._log_share: FloatArray | None = None
        if popularity is not None:
            share = item_probabilities(popularity, 1.0)
            self._log_share = np.log(np.maximum(share, share[share > 0].min())).astype("float32")

    def _total(
        self, queries: Tensor, positives: Tensor, table: Tensor, weights: Tensor, training: bool
    ) -> Tensor:
        return summed_crossentropy(
            queries / self.temperature,
            tf.cast(take_rows(table, positives), tf.float32),
            -self.correction * self._log_shares(positives, table.shape[0]),
            weights,
            positives,
        )

    def _log_shares(self, positives: Tensor, num_rows: int | None) -> Tensor:
        if self._log_share is not None:
            check_popularity_length(self._log_share, num_rows)
            return tf.gather(tf.constant(self._log_share), positives)
        _, places, counts = tf.unique_with_counts(positives)
        # Of a batch without positives nothing is gathered.
        counts = tf.cast(tf.gather(counts, places), tf.float32)
        return tf.math.log(counts / tf.cast(tf.size(positives), tf.float32))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "popularity": self._popularity,
            "temperature": self.temperature,
            "correction": self.correction,
        }
