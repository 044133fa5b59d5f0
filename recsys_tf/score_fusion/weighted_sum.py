"""The weighted sum of the tasks' predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keras import ops

from recsys_tf.naming import look_up
from recsys_tf.types import Tensor, TensorDict


class WeightedSum:
    """Computes `sum_t w_t * prediction_t`.

    To choose when the weights are known from the business. A sum means something only where the
    predictions have fixed units: probabilities, ratings, and dot products of one model.

    Args:
        weights: Factor by task; may be negative, for a task whose success is unwanted.
        tasks: The tasks there are.

    Raises:
        ValueError: If a weight names a task that there is not, or there is no weight.

    Example:
        >>> fusion = WeightedSum({"click": 1.0, "buy": 10.0}, ["click", "buy", "rating"])
        >>> float(fusion({"click": 0.5, "buy": 0.1, "rating": 4.0}))
        1.5
    """

    def __init__(self, weights: Mapping[str, float], tasks: Iterable[str]) -> None:
        tasks = list(tasks)
        if not weights:
            raise ValueError(f"`weights` must name at least one of the tasks {tasks}.")
        for name in weights:
            look_up(dict.fromkeys(tasks), name, "score_weights")
        self.weights = dict(weights)

    def __call__(self, predictions: TensorDict) -> Tensor:
        """Joins the predictions, each float of any one shape, into a score of that shape."""
        return sum(
            weight * ops.cast(predictions[task], "float32") for task, weight in self.weights.items()
        )
