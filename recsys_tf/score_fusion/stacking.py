"""A small learned model over the tasks' predictions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from keras import ops
from scipy import optimize, special
from typing_extensions import Self

from recsys_tf.naming import look_up
from recsys_tf.score_fusion.calibration import Calibration
from recsys_tf.score_fusion.fusion import ScoreFusion, check_scenarios_given
from recsys_tf.types import Array, FloatArray, IntArray, Tensor

# Probabilities are kept so far from 0 and 1, where log odds are infinite.
_MARGIN = 1e-6


class Stacking(ScoreFusion):
    """Computes `sigmoid(b + sum_t w_t z_t)`, or without the sigmoid, with learned `w` and `b`.

    `z_t` is the log odds of a task's probability, and the prediction itself for other tasks. To
    choose where one label says what is wanted (a purchase, a rating) and the other tasks shall
    help to predict it; `Stacking.fit` learns it from validation rows. It needs no calibration of
    its inputs that is a line in log odds, as it learns that line, and gives a probability itself.

    Args:
        weights: Factor of `z_t` by task.
        tasks: The tasks there are.
        calibrations: Calibration by task; see `ScoreFusion`.
        bias: `b`.
        probability_tasks: The tasks whose values are probabilities.
        is_logistic: Whether the sum is the log odds of a label of 0 or 1, and not the label.

    Raises:
        ValueError: If a name is no task, there is no weight, or a number is not finite.

    Example:
        >>> fusion = Stacking({"click": 1.0}, ["click"], probability_tasks=["click"])
        >>> round(float(fusion({"click": 0.3})), 6)
        0.3

    Source: Wolpert, 1992, "Stacked generalization",
        https://doi.org/10.1016/S0893-6080(05)80023-1, with one linear level as in Ting and Witten,
        1999, "Issues in Stacked Generalization", https://doi.org/10.1613/jair.594, section 3.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        tasks: Iterable[str],
        calibrations: Mapping[str, Calibration] | None = None,
        bias: float = 0.0,
        probability_tasks: Iterable[str] = (),
        is_logistic: bool = True,
    ) -> None:
        super().__init__(weights, tasks, calibrations)
        if not math.isfinite(bias):
            raise ValueError(f"`bias` must be finite, received {bias!r}.")
        self.bias = float(bias)
        self.probability_tasks = tuple(probability_tasks)
        for name in self.probability_tasks:
            look_up(dict.fromkeys(self.tasks), name, "probability_tasks")
        self.is_logistic = bool(is_logistic)

    def term(self, task: str, values: Tensor, is_candidate: Tensor | None) -> Tensor:
        """Computes `z_t`."""
        if task not in self.probability_tasks:
            return values
        values = ops.clip(values, _MARGIN, 1 - _MARGIN)
        return ops.log(values) - ops.log1p(-values)

    def link(self, total: Tensor) -> Tensor:
        """Adds the bias, and makes a probability of log odds."""
        total = total + self.bias
        return ops.sigmoid(total) if self.is_logistic else total

    @classmethod
    def fit(
        cls,
        predictions: Mapping[str, Array],
        labels: Array,
        *,
        calibrations: Mapping[str, Calibration] | None = None,
        scenarios: IntArray | None = None,
        probability_tasks: Iterable[str] = (),
        is_logistic: bool = True,
        l2: float = 1.0,
    ) -> Self:
        """Learns weights and bias from validation rows.

        Minimises `sum_rows loss + l2 / 2 * sum_t (s_t w_t)^2`, with the log loss or half the
        squared error, and `s_t` the standard deviation of `z_t`: all tasks are shrunk alike,
        whatever their units.

        Args:
            predictions: Float `[rows]` by task, of validation rows.
            labels: Float `[rows]` of what is wanted; NaN = no label.
            calibrations: See the class; applied first.
            scenarios: int `[rows]`, for calibrations by scenario; None without.
            probability_tasks: See the class.
            is_logistic: See the class.
            l2: Strength of the shrinkage, in rows; at least 0.

        Returns:
            The fusion.

        Raises:
            ValueError: If shapes differ, a prediction is not finite, all labels are equal or none,
                labels are outside of `[0, 1]` though `is_logistic`, `l2` is negative, or a
                calibration by scenario has no `scenarios`.
        """
        tasks = list(predictions)
        options: dict[str, Any] = {
            "probability_tasks": tuple(probability_tasks),
            "is_logistic": is_logistic,
        }
        unfitted = cls(dict.fromkeys(tasks, 1.0), tasks, calibrations, **options)
        targets = np.asarray(labels, np.float64)
        is_kept = ~np.isnan(targets)
        rows = {task: np.asarray(values, np.float32) for task, values in predictions.items()}
        _check_rows(rows, targets, is_kept, is_logistic, l2)
        check_scenarios_given(unfitted, scenarios)
        of_rows = None if scenarios is None else np.asarray(scenarios)
        if of_rows is not None and of_rows.shape != targets.shape:
            raise ValueError(
                f"`scenarios` must be [rows], {targets.shape}, received {of_rows.shape}."
            )
        terms = unfitted.terms(
            {task: values[is_kept] for task, values in rows.items()},
            scenario=None if of_rows is None else of_rows[is_kept],
        )
        inputs = np.stack([np.asarray(terms[task], np.float64) for task in tasks], axis=1)
        weights, bias = _fit_line(inputs, targets[is_kept], is_logistic, l2)
        by_task = dict(zip(tasks, weights.tolist(), strict=True))
        return cls(by_task, tasks, calibrations, bias=bias, **options)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain JSON values."""
        config = {
            "bias": self.bias,
            "probability_tasks": list(self.probability_tasks),
            "is_logistic": self.is_logistic,
        }
        return {**super().get_config(), **config}


def _check_rows(
    rows: Mapping[str, Array], labels: FloatArray, is_kept: Array, is_logistic: bool, l2: float
) -> None:
    for task, values in rows.items():
        if labels.ndim != 1 or values.shape != labels.shape:
            raise ValueError(
                f"`predictions` of {task!r} and `labels` must be of one shape [rows], received "
                f"{values.shape} and {labels.shape}."
            )
        if not np.isfinite(values[is_kept]).all():
            raise ValueError(f"`predictions` of {task!r} must be finite where a label is present.")
    kept = labels[is_kept]
    if not len(kept) or np.ptp(kept) == 0:
        raise ValueError(f"`labels` must differ, received {np.unique(kept).tolist()} only.")
    if is_logistic and (kept.min() < 0 or kept.max() > 1):
        raise ValueError(
            f"`labels` must be from 0 to 1, received {kept.min():g} to {kept.max():g}; give "
            "`is_logistic=False` for ratings."
        )
    if not l2 >= 0:
        raise ValueError(f"`l2` must be at least 0, received {l2!r}.")


def _fit_line(
    inputs: FloatArray, labels: FloatArray, is_logistic: bool, l2: float
) -> tuple[FloatArray, float]:
    """Returns weights `[T]` and bias for inputs `[rows, T]`."""
    means, scales = inputs.mean(axis=0), inputs.std(axis=0)
    # A task that says the same of all rows gets the weight 0, and no division by 0.
    scales = np.where(scales > 0, scales, np.inf)
    scaled = (inputs - means) / scales
    if is_logistic:
        slopes, level = _logistic(scaled, labels, l2)
    else:
        gram = scaled.T @ scaled + l2 * np.eye(scaled.shape[1])
        slopes, level = np.linalg.lstsq(gram, scaled.T @ labels, rcond=None)[0], labels.mean()
    weights = slopes / scales
    return weights, float(level - weights @ means)


def _logistic(inputs: FloatArray, labels: FloatArray, l2: float) -> tuple[FloatArray, float]:
    num_rows = len(labels)

    def loss(line: FloatArray) -> tuple[float, FloatArray]:
        logits = inputs @ line[1:] + line[0]
        residuals = special.expit(logits) - labels
        value = np.sum(np.logaddexp(0, logits) - labels * logits) + l2 / 2 * line[1:] @ line[1:]
        slope = np.append(residuals.sum(), inputs.T @ residuals + l2 * line[1:])
        return float(value) / num_rows, slope / num_rows

    start = np.zeros(inputs.shape[1] + 1)
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500}
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return found.x[1:], float(found.x[0])
