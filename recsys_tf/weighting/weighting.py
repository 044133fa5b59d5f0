"""What every weighting has: its tasks, their factors, and their weighted sum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from recsys_tf.naming import look_up
from recsys_tf.types import Tensor, TensorDict


class Weighting(keras.layers.Layer):
    """Computes one number from the tasks' losses; here `sum_t w_t * loss_t`.

    The base of all weightings. It is a Keras layer so that its variables are saved with the model
    and, where they are trainable, found by the optimiser. State changes while training only.
    Where the weights move, the number is no measure of progress: held-out rows are measured by
    `weighted_sum`, whose weights stay.

    A loss that is NaN makes the sum NaN and no more: it enters no state and no other task's
    weight, and by the NaN a model knows to leave out the step. A loss of exactly 0 is what a batch
    without labels of that task gives: weightings that divide by losses or take their logarithm
    leave such a task out of that batch.

    Args:
        weights: Factor of each task's loss, above 0; the order of the tasks is its order.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a weight is not a finite number above 0, or there are fewer tasks than the
            method can balance.
    """

    min_tasks = 2
    """Fewest tasks that there is something to balance between."""

    def __init__(self, weights: Mapping[str, float], **kwargs: Any) -> None:
        # float32 under mixed precision too, where a sum would lose the tasks of small losses.
        super().__init__(**{"dtype": "float32", **kwargs})
        for task, weight in weights.items():
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(
                    f"`weights[{task!r}]` must be a finite number above 0, received {weight}. "
                    "Leave the task out of the schema to train without it."
                )
        if len(weights) < self.min_tasks:
            raise ValueError(
                f"`weights` must hold at least {self.min_tasks} tasks for {type(self).__name__}, "
                f"received {len(weights)}. Take the weighting 'fixed' for one task."
            )
        # Not `weights`, which is a layer's list of variables.
        self.loss_weights = dict(weights)
        self.built = True

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks, in the order of every vector `[T]`."""
        return tuple(self.loss_weights)

    @property
    def factors(self) -> Tensor:
        """The weights of the constructor, float32 `[T]`."""
        return ops.convert_to_tensor(list(self.loss_weights.values()), "float32")

    # In place of a layer's call, which takes no plain numbers.
    def __call__(self, losses: TensorDict, training: bool = False) -> Tensor:
        """Combines the tasks' losses.

        Args:
            losses: A scalar for each task.
            training: Whether the weighting's own state may change.

        Returns:
            A scalar.

        Raises:
            ValueError: If a task has no weight.
        """
        return self.weighted_sum(losses)

    def weighted_sum(self, losses: TensorDict) -> Tensor:
        """Computes `sum_t w_t * loss_t` with the weights of the constructor, whatever the method.

        It is what `evaluate` reports, as `val_loss` in `fit`: the same measure after every epoch,
        which falls where a task improves and no other becomes worse.

        Args:
            losses: A scalar for each task.

        Returns:
            A scalar.

        Raises:
            ValueError: If a task has no weight.
        """
        return sum(
            look_up(self.loss_weights, task, "weights") * loss for task, loss in losses.items()
        )

    def stack(self, losses: TensorDict) -> Tensor:
        """Joins the tasks' losses into one vector.

        Args:
            losses: A scalar for each task of the weighting, in any order.

        Returns:
            float32 `[T]`.

        Raises:
            ValueError: If a task is unknown, or one of the weighting's is missing.
        """
        for task in losses:
            look_up(self.loss_weights, task, "weights")
        for task in self.task_names:
            look_up(losses, task, "losses")
        return ops.stack([ops.cast(losses[task], "float32") for task in self.task_names])

    def add_state(self, name: str, *shape: int, initializer: Any = "zeros") -> keras.Variable:
        """Makes a variable that is saved but not trained.

        Args:
            name: Its name.
            *shape: Its axes.
            initializer: Where it starts.

        Returns:
            A float32 variable.
        """
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, trainable=False, dtype="float32"
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "weights": dict(self.loss_weights)}
