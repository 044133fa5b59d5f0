"""Where a loss broke first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from recsys_tf.types import TensorDict


class FirstBrokenStep(keras.metrics.Metric):
    """Remembers of each task the first step since the last reset whose loss was not finite.

    Of a call of several steps, the running means tell only that a loss has broken in one of them:
    this tells in which. What no step keeps out breaks the weights that tasks share, and with them
    all losses of the next step. It is a metric so that it is reset with the others and saved with
    none; it reports nothing.

    Args:
        task_names: Names of the tasks.

    Example:
        >>> first = FirstBrokenStep(["click", "price"])
        >>> for price in (1.0, float("inf"), float("nan")):
        ...     first.update_state({"click": 0.3, "price": price})
        >>> first.earliest()
        (2, ['price'])
    """

    def __init__(self, task_names: Iterable[str]) -> None:
        super().__init__(name="first_broken_step")
        self.task_names = tuple(task_names)
        # Counts in float32, which GPUs add too; exact up to 16 million steps.
        self.steps = self.add_variable((), "zeros", name="steps")
        # 0 where no loss has broken.
        self.first = self.add_variable((len(self.task_names),), "zeros", name="first")

    def update_state(self, losses: TensorDict) -> None:
        """Counts a step.

        Args:
            losses: A scalar for each task.
        """
        stacked = ops.stack([ops.cast(losses[name], "float32") for name in self.task_names])
        steps = self.steps + 1.0
        is_new = ops.logical_and(ops.logical_not(ops.isfinite(stacked)), self.first == 0)
        self.first.assign(ops.where(is_new, steps, self.first))
        self.steps.assign(steps)

    def earliest(self) -> tuple[int, list[str]] | None:
        """Returns the first step with a broken loss, counted from 1, and its tasks, or None."""
        steps = np.asarray(self.first)
        if not steps.any():
            return None
        step = steps[steps > 0].min()
        return int(step), [
            name for name, each in zip(self.task_names, steps, strict=True) if each == step
        ]

    def result(self) -> dict[str, Any]:
        """Reports nothing."""
        return {}
