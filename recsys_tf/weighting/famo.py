"""Equal relative progress of all tasks, from the losses alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from recsys_tf.types import Tensor, TensorDict
from recsys_tf.weighting.checks import check_above_zero, check_number
from recsys_tf.weighting.weighting import Weighting

_SMALL = 1e-8
"""Added to a loss before its logarithm, as in the authors' code."""
_DECAYS = (0.9, 0.999)
"""Adam's moving averages of the logits' gradient and of its square."""


@keras.saving.register_keras_serializable(package="recsys_tf")
class FAMO(Weighting):
    """Lowers all losses at an equal rate: `c sum_t z_t log(loss_t)`, `z = softmax(log w + x)`.

    `c = 1 / sum_t (z_t / loss_t)`, held constant, makes the gradient a convex combination of the
    tasks' gradients. After each step the logits `x` follow `-d_t`, where
    `d_t = log(loss_t before) - log(loss_t after)`: a task that gained less weighs more. Choose it
    where gradient weightings would be wanted but cost too much: it needs one backward pass.
    Losses must not be negative. The value is no measure: it rises while a loss falls below 0.37.

    Args:
        weights: Where the tasks' shares `z` start, in proportion, and what decay draws them back
            to; above 0. As factors of the losses they would fall out of the logarithms.
        learning_rate: Step of the logits' Adam, above 0.
        decay: How strongly the logits are drawn back to 0, from 0.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a weight is not a finite number above 0, there is one task only, or a
            number is out of its range.

    Example:
        >>> weighting = FAMO({"click": 1.0, "rating": 1.0})
        >>> for loss in (4.0, 2.0):
        ...     total = weighting({"click": loss, "rating": 4.0}, training=True)
        >>> [round(float(share), 3) for share in weighting.shares]  # rating did not gain
        [0.488, 0.512]

    Source: Liu et al., 2023, "FAMO: Fast Adaptive Multitask Optimization",
        https://arxiv.org/abs/2306.03792, algorithm 1, with Adam for the logits as in its trials.
        The losses "after" are those of the next batch, not of the same one: that saves a second
        forward pass and adds the batches' noise. A task whose loss is 0 (no labels) or not finite
        is left out of the step.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        learning_rate: float = 0.025,
        decay: float = 1e-3,
        **kwargs: Any,
    ) -> None:
        super().__init__(weights, **kwargs)
        self.learning_rate = check_above_zero("learning_rate", learning_rate)
        self.decay = check_number("decay", decay, 0)
        num_tasks = len(weights)
        self.logits = self.add_state("logits", num_tasks)
        self.means = self.add_state("means", num_tasks)
        self.squares = self.add_state("squares", num_tasks)
        self.updates = self.add_state("updates")
        # Losses of the step before; 0 where there was none.
        self.last_losses = self.add_state("last_losses", num_tasks)

    @property
    def shares(self) -> Tensor:
        """How much each task weighs, `z`, float32 `[T]`."""
        return ops.softmax(ops.log(self.factors) + self.logits)

    def __call__(self, losses: TensorDict, training: bool = False) -> Tensor:
        """Combines the losses of all tasks; see `Weighting`."""
        stacked = self.stack(losses)
        is_used = ops.logical_and(stacked > 0, ops.isfinite(stacked))
        if training:
            self._update_logits(ops.stop_gradient(ops.where(is_used, stacked, 0.0)))
        shares = ops.where(is_used, self.shares, 0.0)
        safe = ops.where(is_used, stacked, 1.0) + _SMALL
        inverse = ops.stop_gradient(ops.sum(shares / safe))
        total = ops.sum(shares * ops.log(safe)) / ops.where(inverse > 0, inverse, 1.0)
        # Beside the sum a broken loss shows in the value, but not in the others' gradients.
        is_broken = ops.logical_not(ops.logical_or(is_used, stacked == 0))
        return total + ops.where(ops.any(is_broken), float("nan"), 0.0)

    def _update_logits(self, losses: Tensor) -> None:
        has_both = ops.logical_and(losses > 0, self.last_losses > 0)
        gains = ops.where(has_both, ops.log((self.last_losses + _SMALL) / (losses + _SMALL)), 0.0)
        shares = self.shares
        gradient = shares * (gains - ops.sum(shares * gains)) + self.decay * self.logits
        # Before the first two losses there is nothing to follow.
        is_step = ops.cast(ops.any(has_both), "float32")
        first, second = _DECAYS
        updates = self.updates + is_step
        means = self.means + is_step * (1 - first) * (gradient - self.means)
        squares = self.squares + is_step * (1 - second) * (ops.square(gradient) - self.squares)
        counted = ops.maximum(updates, 1.0)
        step = means / (1 - ops.power(first, counted))
        size = ops.sqrt(squares / (1 - ops.power(second, counted)))
        self.logits.assign(self.logits - is_step * self.learning_rate * step / (size + _SMALL))
        self.means.assign(means)
        self.squares.assign(squares)
        self.updates.assign(updates)
        self.last_losses.assign(ops.where(losses > 0, losses, self.last_losses))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"learning_rate": self.learning_rate, "decay": self.decay}
        return {**super().get_config(), **config}
