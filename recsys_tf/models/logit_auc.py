"""The area under the ROC curve while training, for rare and for common events."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.types import Tensor

_LARGEST_LOGIT = 16.0
"""Logits beyond it count as equal: in float32 the sigmoid of a larger one is all but 1."""
_NUM_THRESHOLDS = 2001
"""A threshold every 0.016: at a share of 0.5 twice as fine as Keras's 200 in probability."""


class LogitAUC(keras.metrics.AUC):
    """Computes the AUC over thresholds that are evenly spaced in logits.

    Keras's own thresholds are evenly spaced in probability. Of events rarer than the first, 0.005,
    they tell no two predictions apart, and the AUC is 0.5 whatever the model says. Here two logits
    that are nearer than 0.016 may count as equal, at any share of positives. A batch costs one sum
    by bucket, whose number hardly matters.

    Args:
        name: Name of the metric.

    Example:
        >>> metric = LogitAUC("click_auc")
        >>> metric.update_state([1.0, 0.0, 0.0], [-7.0, -9.0, -8.0])
        >>> round(float(metric.result()), 6)
        1.0

    Source: the trapezoids of `keras.metrics.AUC`. Hanley and McNeil, 1982, "The Meaning and Use of
        the Area under a Receiver Operating Characteristic (ROC) Curve",
        https://doi.org/10.1148/radiology.143.1.7063747.
    """

    def __init__(self, name: str) -> None:
        super().__init__(num_thresholds=_NUM_THRESHOLDS, name=name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: 0 or 1, of the shape of `y_pred`.
            y_pred: Logits, float of any shape.
            sample_weight: What each counts, of the same shape; None counts all alike.
        """
        super().update_state(y_true, _to_unit_interval(y_pred), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"name": self.name}


def _to_unit_interval(logits: Tensor) -> Tensor:
    """Maps logits to float32 numbers from 0 to 1 in the same order."""
    logits = ops.cast(logits, "float32")
    return 0.5 + ops.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT) / (2 * _LARGEST_LOGIT)
