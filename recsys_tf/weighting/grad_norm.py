"""Gradients of one length for all tasks, learned step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from recsys_tf.types import Tensor
from recsys_tf.weighting.checks import check_above_zero, check_number
from recsys_tf.weighting.gradient_weighting import GradientWeighting
from recsys_tf.weighting.gram import active_part, final_weights

_LOWEST = 1e-3
"""Least a learned weight may fall to, where the mean is 1: below 0 a task would be unlearned."""


@keras.saving.register_keras_serializable(package="recsys_tf")
class GradNorm(GradientWeighting):
    """Learns weights `v_t` that bring the lengths `v_t |g_t|` to `mean_s(v_s |g_s|) r_t^alpha`.

    `r_t` is the task's share of its first loss that is left, by the mean of all tasks': a task
    that is behind gets a longer gradient. Each step moves `v` down the gradient of
    `sum_t | v_t |g_t| - target_t |` and brings its mean back to 1. Choose it where the lengths of
    the gradients are unlike and tasks learn at unlike speed.

    Args:
        weights: Factor of each task after the balancing, above 0: before it, it would be undone.
        alpha: How strongly a task that is behind is favoured, from 0; 1.5 in most of the paper's
            trials, less where the tasks are alike.
        learning_rate: Step of the weights, above 0.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a weight is not a finite number above 0, there is one task only, or a
            number is out of its range.

    Example:
        >>> import numpy as np
        >>> weighting = GradNorm({"click": 1.0, "rating": 1.0}, alpha=0.0, learning_rate=0.1)
        >>> weights = weighting.task_weights(np.diag([9.0, 1.0]), np.ones(2))
        >>> [round(float(w), 3) for w in weights]  # lengths 3 and 1, mean 2: 1 - 0.15 and 1 + 0.05
        [0.895, 1.105]

    Source: Chen et al., 2018, "GradNorm: Gradient Normalization for Adaptive Loss Balancing in
        Deep Multitask Networks", https://arxiv.org/abs/1711.02257, equations 1 and 2 and
        algorithm 1. The step is divided by the mean length of the gradients, so that it does not
        depend on the losses' unit; the lengths are those over all that tasks share, not over the
        last shared layer; the weights act on what is shared only. A step ends at 0.001 for
        a weight that it would bring lower. The first losses are those of the first step in which
        a task has labels.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        alpha: float = 1.5,
        learning_rate: float = 0.025,
        **kwargs: Any,
    ) -> None:
        super().__init__(weights, **kwargs)
        self.alpha = check_number("alpha", alpha, 0)
        self.learning_rate = check_above_zero("learning_rate", learning_rate)
        self.learned = self.add_state("learned", len(weights), initializer="ones")
        # 0 where a task has had no labels so far.
        self.first_losses = self.add_state("first_losses", len(weights))

    def task_weights(self, gram: Tensor, losses: Tensor) -> Tensor:
        """Moves the weights by one step and returns them; see `GradientWeighting`."""
        gram, is_active = active_part(gram)
        losses = ops.cast(losses, "float32")
        # A loss may overflow where its gradient does not.
        is_active = ops.logical_and(is_active, ops.isfinite(losses))
        is_new = ops.logical_and(self.first_losses == 0, ops.logical_and(is_active, losses > 0))
        self.first_losses.assign(ops.where(is_new, losses, self.first_losses))

        active = ops.cast(is_active, "float32")
        num_active = ops.maximum(ops.sum(active), 1.0)
        lengths = ops.cast(ops.sqrt(ops.diagonal(gram)), "float32")
        has_rate = ops.logical_and(is_active, self.first_losses > 0)
        first = ops.where(self.first_losses > 0, self.first_losses, 1.0)
        left = ops.where(has_rate, ops.where(has_rate, losses, 0.0) / first, active)
        mean_left = ops.sum(left) / num_active
        rates = ops.where(is_active, left / ops.where(mean_left > 0, mean_left, 1.0), 1.0)
        weighted = self.learned * lengths
        target = ops.sum(weighted) / num_active * ops.power(ops.maximum(rates, 0.0), self.alpha)
        mean_length = ops.sum(lengths) / num_active
        gradient = ops.sign(weighted - target) * lengths
        step = active * gradient / ops.where(mean_length > 0, mean_length, 1.0)
        moved = active * ops.maximum(self.learned - self.learning_rate * step, _LOWEST)
        # The sum of those that take part stays, so that the mean of all stays 1.
        total = ops.sum(moved)
        moved *= ops.sum(active * self.learned) / ops.where(total > 0, total, 1.0)
        learned = ops.where(is_active, moved, self.learned)
        self.learned.assign(learned)
        return final_weights(self.factors * learned, is_active)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"alpha": self.alpha, "learning_rate": self.learning_rate}
        return {**super().get_config(), **config}
