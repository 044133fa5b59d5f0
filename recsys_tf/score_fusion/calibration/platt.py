"""Platt's scaling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from recsys_tf.score_fusion.calibration.calibration import Curve
from recsys_tf.score_fusion.calibration.log_odds import (
    LEAST_SLOPE,
    LogOddsCalibration,
    fit_line,
)
from recsys_tf.types import FloatArray


class PlattCalibration(LogOddsCalibration):
    """Computes `sigmoid(a f + b)` of the prediction's log odds `f`, with `a` and `b` fitted.

    Two numbers a curve, so that some hundred rows suffice. Choose it for a model that is wrong
    in base rate and in confidence, as after training on sampled negatives, and to make a
    probability of a dot product (`is_probability=False`).

    Args:
        whole: `slope` (above 0) and `intercept`.
        by_scenario: The same by scenario.
        is_probability: See `LogOddsCalibration`.

    Raises:
        ValueError: If a slope is not above 0, a number is not finite, or a scenario is negative.

    Example:
        >>> import numpy as np
        >>> platt = PlattCalibration({"slope": 1.0, "intercept": -np.log(3)})
        >>> platt.apply([0.5, 0.75]).round(6).tolist()  # the odds 1 and 3, divided by 3
        [0.25, 0.5]

    Source: Platt, 1999, "Probabilistic Outputs for Support Vector Machines and Comparisons to
        Regularized Likelihood Methods", equation 11, with the targets of its section 2.2:
        `(N_1 + 1) / (N_1 + 2)` for a label of 1 and `1 / (N_0 + 2)` for 0. The slope is kept at
        0.01 or above, so that the order stays.
    """

    names = ("slope", "intercept")

    @classmethod
    def fit_curve(cls, predictions: FloatArray, labels: FloatArray, **options: Any) -> Curve:
        """Fits one curve; see `Calibration`."""
        num_ones = float(labels.sum())
        num_zeros = len(labels) - num_ones
        high, low = (num_ones + 1) / (num_ones + 2), 1 / (num_zeros + 2)
        # Labels between 0 and 1 move in proportion.
        targets = low + (high - low) * labels
        bounds = [(LEAST_SLOPE, None), (None, None)]
        slope, intercept = fit_line(
            predictions, targets, options.get("is_probability", True), bounds
        )
        return {"slope": slope, "intercept": intercept}

    @classmethod
    def check(cls, curve: Curve) -> None:
        """Checks one curve; see `Calibration`."""
        if not all(map(math.isfinite, curve.values())) or curve["slope"] <= 0:
            raise ValueError(
                f"`slope` must be above 0 and `intercept` finite, received {dict(curve)}."
            )

    @staticmethod
    def line(curve: Mapping[str, Any]) -> tuple[Any, Any]:
        """Returns slope and intercept; see `LogOddsCalibration`."""
        return curve["slope"], curve["intercept"]
