"""The weighted sum of the tasks' losses."""

from __future__ import annotations

import math
from collections.abc import Mapping

import keras

from recsys_tf.naming import look_up
from recsys_tf.types import Tensor, TensorDict


@keras.saving.register_keras_serializable(package="recsys_tf")
class FixedWeighting:
    """Computes `sum_t w_t * loss_t` with weights that stay as they are.

    To choose when the losses' sizes are known. Each task's loss is a mean over its rows, so that
    the weights keep their meaning at another batch size.

    Args:
        weights: Factor of each task's loss, above 0.

    Raises:
        ValueError: If a weight is not a finite number above 0.

    Example:
        >>> weighting = FixedWeighting({"click": 1.0, "rating": 0.5})
        >>> float(weighting({"click": 2.0, "rating": 4.0}))
        4.0
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        for task, weight in weights.items():
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(
                    f"`weights[{task!r}]` must be a finite number above 0, received {weight}. "
                    "Leave the task out of the schema to train without it."
                )
        self.weights = dict(weights)

    def __call__(self, losses: TensorDict) -> Tensor:
        """Combines the tasks' losses.

        Args:
            losses: A scalar for each task.

        Returns:
            Their weighted sum, a scalar.

        Raises:
            ValueError: If a task has no weight.
        """
        return sum(look_up(self.weights, task, "weights") * loss for task, loss in losses.items())

    def get_config(self) -> dict[str, Mapping[str, float]]:
        """Returns the constructor's arguments."""
        return {"weights": self.weights}

    @classmethod
    def from_config(cls, config: dict[str, Mapping[str, float]]) -> FixedWeighting:
        """Builds the weighting from `get_config`'s result."""
        return cls(**config)
