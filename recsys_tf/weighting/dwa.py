"""Weights from how fast each loss falls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from recsys_tf.types import Tensor, TensorDict
from recsys_tf.weighting.checks import check_above_zero
from recsys_tf.weighting.weighting import Weighting


@keras.saving.register_keras_serializable(package="recsys_tf")
class DynamicWeightAverage(Weighting):
    """Weighs by the rate of descent: `T sum_t softmax(r / temperature)_t w_t loss_t`.

    `r_t` is the task's mean loss over the last window of steps by that over the window before: a
    task that falls more slowly weighs more. All weights are 1 until two windows are full. Choose
    it where tasks learn at unlike speed; it costs nothing.

    Args:
        weights: Factor of each task's loss, above 0.
        window_steps: Steps of a window, at least 1. The paper's is an epoch, which
            `training.weighting: dwa` takes where it is not given; before two windows have passed
            the weights are fixed.
        temperature: Above 0; the higher, the nearer to equal weights.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a weight is not a finite number above 0, there is one task only,
            `window_steps` is below 1, or `temperature` is not above 0.

    Example:
        >>> weighting = DynamicWeightAverage({"click": 1.0, "rating": 1.0}, window_steps=1)
        >>> for loss in (4.0, 2.0, 2.0):
        ...     total = weighting({"click": loss, "rating": 4.0}, training=True)
        >>> round(float(total), 3)  # click fell to 0.5, rating stayed: 0.876 and 1.124
        6.249

    Source: Liu, Johns and Davison, 2019, "End-to-End Multi-Task Learning with Attention",
        https://arxiv.org/abs/1803.10704, equation 7. Windows of steps stand for epochs, for a
        data set that is passed once or twice. Steps in which a task has no labels, or a loss that
        is not finite, are left out of its mean; a task without a mean keeps the rate 1.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        window_steps: int = 500,
        temperature: float = 2.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weights, **kwargs)
        if isinstance(window_steps, bool) or not isinstance(window_steps, int) or window_steps < 1:
            raise ValueError(
                f"`window_steps` must be an integer of at least 1, received {window_steps!r}."
            )
        self.window_steps = window_steps
        self.temperature = check_above_zero("temperature", temperature)
        num_tasks = len(weights)
        # Of the window that runs: steps, and sum and number of the losses by task.
        self.steps = self.add_state("steps")
        self.sums = self.add_state("sums", num_tasks)
        self.counts = self.add_state("counts", num_tasks)
        # Means of the window before it and the one before that; 0 where there is none.
        self.last_means = self.add_state("last_means", num_tasks)
        self.means_before = self.add_state("means_before", num_tasks)

    def __call__(self, losses: TensorDict, training: bool = False) -> Tensor:
        """Combines the losses of all tasks; see `Weighting`."""
        stacked = self.stack(losses)
        has_both = ops.logical_and(self.last_means > 0, self.means_before > 0)
        before = ops.where(has_both, self.means_before, 1.0)
        rates = ops.where(has_both, self.last_means / before, 1.0)
        weights = len(self.task_names) * ops.softmax(rates / self.temperature)
        if training:
            self._remember(ops.stop_gradient(stacked))
        return ops.sum(weights * self.factors * stacked)

    def _remember(self, losses: Tensor) -> None:
        is_used = ops.logical_and(losses > 0, ops.isfinite(losses))
        steps = self.steps + 1
        sums = self.sums + ops.where(is_used, losses, 0.0)
        counts = self.counts + ops.cast(is_used, "float32")
        is_full = steps >= self.window_steps
        means = sums / ops.maximum(counts, 1.0)
        self.means_before.assign(ops.where(is_full, self.last_means, self.means_before))
        self.last_means.assign(ops.where(is_full, means, self.last_means))
        self.steps.assign(ops.where(is_full, 0.0, steps))
        self.sums.assign(ops.where(is_full, 0.0, sums))
        self.counts.assign(ops.where(is_full, 0.0, counts))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"window_steps": self.window_steps, "temperature": self.temperature}
        return {**super().get_config(), **config}
