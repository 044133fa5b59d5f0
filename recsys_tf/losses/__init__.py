"""Losses of single rows, and their mean over the rows that have a label."""

from recsys_tf.losses.bpr import bayesian_personalized_ranking
from recsys_tf.losses.counterfactual import (
    doubly_robust_error,
    imputation_error,
    inverse_propensity_error,
)
from recsys_tf.losses.gbce import gbce, gbce_beta, negative_binary_crossentropy
from recsys_tf.losses.masked import masked_mean, present_labels
from recsys_tf.losses.pointwise import (
    binary_crossentropy,
    multiclass_crossentropy,
    multilabel_crossentropy,
    squared_error,
)
from recsys_tf.losses.sampled_softmax import sampled_softmax
from recsys_tf.losses.step_order import step_order_violation

POINTWISE_LOSSES = {
    "regression": squared_error,
    "binary": binary_crossentropy,
    "multiclass": multiclass_crossentropy,
    "multilabel": multilabel_crossentropy,
}
"""The loss of a row by kind of task: `(labels, logits) -> [B]`."""

__all__ = [
    "POINTWISE_LOSSES",
    "bayesian_personalized_ranking",
    "binary_crossentropy",
    "doubly_robust_error",
    "gbce",
    "gbce_beta",
    "imputation_error",
    "inverse_propensity_error",
    "masked_mean",
    "multiclass_crossentropy",
    "multilabel_crossentropy",
    "negative_binary_crossentropy",
    "present_labels",
    "sampled_softmax",
    "squared_error",
    "step_order_violation",
]
