"""Losses of single rows, and their mean over the rows that have a label."""

from recsys_tf.losses.masked import masked_mean, present_labels
from recsys_tf.losses.pointwise import (
    binary_crossentropy,
    multiclass_crossentropy,
    multilabel_crossentropy,
    squared_error,
)

POINTWISE_LOSSES = {
    "regression": squared_error,
    "binary": binary_crossentropy,
    "multiclass": multiclass_crossentropy,
    "multilabel": multilabel_crossentropy,
}
"""The loss of a row by kind of task: `(labels, logits) -> [B]`."""

__all__ = [
    "POINTWISE_LOSSES",
    "binary_crossentropy",
    "masked_mean",
    "multiclass_crossentropy",
    "multilabel_crossentropy",
    "present_labels",
    "squared_error",
]
