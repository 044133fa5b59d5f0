"""What every fusion of the tasks' predictions is: a weighted sum of terms, one a task."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from keras import ops
from typing_extensions import Self

from recsys_tf.naming import look_up
from recsys_tf.score_fusion.calibration import (
    Calibration,
    calibration_from_dict,
    calibration_to_dict,
)
from recsys_tf.types import Tensor, TensorDict


class ScoreFusion(ABC):
    """Computes `link(sum_t w_t term(c_t(prediction_t)))`, with the calibration `c_t` of each task.

    A fusion is its `term` (the value itself, its log, its rank) and its `link`, which keeps the
    order. It holds plain numbers only, which become constants of the graph that it is traced in,
    and so go into a SavedModel without variables.

    Args:
        weights: Factor by task; may be negative, for a task whose success is unwanted.
        tasks: The tasks there are.
        calibrations: By task, what turns its prediction into a probability or rating that can be
            compared with others'. Tasks that are not named are taken as they are.

    Raises:
        ValueError: If there is no weight, one is not finite, or a weight or calibration names a
            task that there is not.
    """

    reads_list: ClassVar[bool] = False
    """Whether a candidate's score depends on the other candidates of its request."""

    def __init__(
        self,
        weights: Mapping[str, float],
        tasks: Iterable[str],
        calibrations: Mapping[str, Calibration] | None = None,
    ) -> None:
        self.tasks = tuple(tasks)
        if not weights:
            raise ValueError(f"`weights` must name at least one of the tasks {list(self.tasks)}.")
        for name, weight in weights.items():
            look_up(dict.fromkeys(self.tasks), name, "score_weights")
            if not math.isfinite(weight):
                raise ValueError(
                    f"`weights` must be finite, received {weight!r} for the task {name!r}."
                )
        for name in calibrations or {}:
            look_up(dict.fromkeys(self.tasks), name, "calibrations")
        self.weights = {name: float(weight) for name, weight in weights.items()}
        self.calibrations = dict(calibrations or {})

    def __call__(
        self,
        predictions: TensorDict,
        is_candidate: Tensor | None = None,
        scenario: Tensor | None = None,
    ) -> Tensor:
        """Joins the predictions into one score.

        Args:
            predictions: Float `[B, N]` by task, of each candidate of each request. Tasks without
                a weight need not be there.
            is_candidate: Bool `[B, N]`, False for what takes no place among the candidates; None
                for all. What is no candidate gets a score of no meaning.
            scenario: int `[B]`, for calibrations by scenario.

        Returns:
            float32 `[B, N]`; more is better.
        """
        terms = self.terms(predictions, is_candidate, scenario)
        return self.link(sum(self.weights[task] * term for task, term in terms.items()))

    def terms(
        self,
        predictions: TensorDict,
        is_candidate: Tensor | None = None,
        scenario: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Computes what each task adds to the score, before its weight; see `__call__`.

        Returns:
            float32 `[B, N]` by task, for the tasks that have a weight.
        """
        found = {}
        for task in self.weights:
            values = ops.cast(predictions[task], "float32")
            if task in self.calibrations:
                values = self.calibrations[task](values, scenario)
            found[task] = self.term(task, values, is_candidate)
        return found

    @abstractmethod
    def term(self, task: str, values: Tensor, is_candidate: Tensor | None) -> Tensor:
        """Turns a task's float32 values `[B, N]` into what is weighed and added."""

    def link(self, total: Tensor) -> Tensor:
        """Turns the sum into the score, without a change of its order."""
        return total

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain JSON values."""
        return {
            "weights": dict(self.weights),
            "tasks": list(self.tasks),
            "calibrations": {
                task: calibration_to_dict(each) for task, each in self.calibrations.items()
            },
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes the fusion that `get_config` told of."""
        calibrations = {
            task: calibration_from_dict(each)
            for task, each in config.get("calibrations", {}).items()
        }
        return cls(**{**config, "calibrations": calibrations})


def check_scenarios_given(fusion: ScoreFusion, scenarios: Any) -> None:
    """Checks that weights are not fitted to other values than those that are served.

    Without scenarios a calibration takes the curve of all rows; an answer takes the scenario's.

    Raises:
        ValueError: If a calibration has curves by scenario, and no scenarios are given.
    """
    named = [task for task, each in fusion.calibrations.items() if each.by_scenario]
    if named and scenarios is None:
        raise ValueError(
            f"`scenarios` must be given, as the calibration of {', '.join(map(repr, named))} has "
            "curves by scenario, which an answer takes: weights would be fitted to other values."
        )
