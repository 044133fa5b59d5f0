"""The ranking task: how does this query like this candidate?"""

from __future__ import annotations

import tensorflow as tf

from recsys_tf.losses import POINTWISE_LOSSES, masked_mean, present_labels
from recsys_tf.tasks.tfrs import tfrs
from recsys_tf.types import Tensor


class RankingTask:
    """Computes the mean loss of one head over the rows that have its label.

    The rows' losses come from `recsys_tf.losses` and are joined by `tfrs.tasks.Ranking`.

    Args:
        kind: Kind of the task: `regression`, `binary`, `multiclass` or `multilabel`.

    Example:
        >>> task = RankingTask("regression")
        >>> float(task.loss([4.0, float("nan")], [3.0, 9.0], [1.0, 1.0]))
        1.0
    """

    def __init__(self, kind: str) -> None:
        row_loss = POINTWISE_LOSSES[kind]

        def mean_loss(y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> Tensor:
            return masked_mean(row_loss(y_true, y_pred), sample_weight)

        self._task = tfrs.tasks.Ranking(loss=mean_loss)

    def loss(self, labels: Tensor, logits: Tensor, sample_weight: Tensor) -> Tensor:
        """Computes the loss of a batch.

        Args:
            labels: `[B]`, or `[B, C]` for `multilabel`; NaN, or a negative class, is missing.
            logits: float `[B]` or `[B, C]`.
            sample_weight: float `[B]`, 0 to leave a row out.

        Returns:
            float32 scalar; 0 where no row of the batch has a label.
        """
        labels, is_present = present_labels(labels)
        weight = tf.cast(sample_weight, tf.float32) * is_present
        return self._task(labels, logits, sample_weight=weight, compute_metrics=False)
