"""Temperature scaling."""

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


class TemperatureCalibration(LogOddsCalibration):
    """Computes `sigmoid(f / temperature)` of the prediction's log odds `f`.

    One number a curve: above 1 it makes a sure model less sure. It cannot move the base rate, as
    0.5 stays 0.5. Choose it for a model that is trained on rows like those served and only too
    sure, or where there are too few rows for `PlattCalibration`.

    Args:
        whole: `temperature` (above 0).
        by_scenario: The same by scenario.
        is_probability: See `LogOddsCalibration`.

    Raises:
        ValueError: If a temperature is not above 0 and finite, or a scenario is negative.

    Example:
        >>> half_as_sure = TemperatureCalibration({"temperature": 2.0})
        >>> half_as_sure.apply([0.5, 0.8]).round(6).tolist()  # the odds 1 and 4, their roots 1, 2
        [0.5, 0.666667]

    Source: Guo et al., 2017, "On Calibration of Modern Neural Networks",
        https://arxiv.org/abs/1706.04599, section 4.2, for two classes. Fitted between 0.001 and
        100, since one-sided rows have no optimum.
    """

    names = ("temperature",)

    @classmethod
    def fit_curve(cls, predictions: FloatArray, labels: FloatArray, **options: Any) -> Curve:
        """Fits one curve; see `Calibration`."""
        bounds = [(LEAST_SLOPE, 1e3), (0.0, 0.0)]
        slope, _ = fit_line(predictions, labels, options.get("is_probability", True), bounds)
        return {"temperature": 1 / slope}

    @classmethod
    def check(cls, curve: Curve) -> None:
        """Checks one curve; see `Calibration`."""
        if not (math.isfinite(curve["temperature"]) and curve["temperature"] > 0):
            raise ValueError(
                f"`temperature` must be above 0 and finite, received {curve['temperature']!r}."
            )

    @staticmethod
    def line(curve: Mapping[str, Any]) -> tuple[Any, Any]:
        """Returns slope and intercept; see `LogOddsCalibration`."""
        slope = 1 / curve["temperature"]
        return slope, 0 * slope
