"""Where a loss or its gradient broke first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from recsys_tf.types import TensorDict


class BrokenStep(NamedTuple):
    """A step that was not finite.

    Attributes:
        step: Counted from 1.
        task_names: Whose loss or gradient broke.
        is_of_loss: Whether a loss broke; else every loss was finite, and only gradients were not.
    """

    step: int
    task_names: list[str]
    is_of_loss: bool


class FirstBrokenStep(keras.metrics.Metric):
    """Remembers of each task the first step since the last reset that was not finite.

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
        BrokenStep(step=2, task_names=['price'], is_of_loss=True)
    """

    def __init__(self, task_names: Iterable[str]) -> None:
        super().__init__(name="first_broken_step")
        self.task_names = tuple(task_names)
        # Counts in float32, which GPUs add too; exact up to 16 million steps.
        self.steps = self.add_variable((), "zeros", name="steps")
        # 0 where none has broken.
        shape = (len(self.task_names),)
        self.first = self.add_variable(shape, "zeros", name="first")
        self.first_gradient = self.add_variable(shape, "zeros", name="first_gradient")

    def update_state(self, losses: TensorDict) -> None:
        """Counts a step.

        Args:
            losses: A scalar for each task.
        """
        self.steps.assign(self.steps + 1.0)
        self._mark(self.first, {name: ops.isfinite(loss) for name, loss in losses.items()})

    def mark_gradients(self, is_finite: TensorDict) -> None:
        """Says of the step that was counted last whose gradients are finite.

        Args:
            is_finite: A bool scalar for each task.
        """
        self._mark(self.first_gradient, is_finite)

    def earliest(self) -> BrokenStep | None:
        """Returns the first step that was not finite, or None."""
        of_losses, of_gradients = np.asarray(self.first), np.asarray(self.first_gradient)
        steps = np.concatenate([of_losses, of_gradients])
        if not steps.any():
            return None
        step = steps[steps > 0].min()
        is_of_loss = bool((of_losses == step).any())
        pairs = zip(self.task_names, of_losses if is_of_loss else of_gradients, strict=True)
        return BrokenStep(int(step), [name for name, each in pairs if each == step], is_of_loss)

    def result(self) -> dict[str, Any]:
        """Reports nothing."""
        return {}

    def _mark(self, first: keras.Variable, is_finite: TensorDict) -> None:
        is_broken = ops.logical_not(ops.stack([is_finite[name] for name in self.task_names]))
        first.assign(ops.where(ops.logical_and(is_broken, first == 0), self.steps, first))
