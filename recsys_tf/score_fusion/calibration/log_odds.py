"""The straight line in log odds that Platt's and the temperature scaling share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import optimize, special

from recsys_tf.score_fusion.calibration.calibration import Calibration, Curve
from recsys_tf.types import FloatArray, Tensor

# The least and the highest probability whose log odds are finite and told apart in float32.
_LOWEST, _HIGHEST = 2.0**-40, 1 - 2.0**-24

LEAST_SLOPE = 0.01
"""Least slope: above 0, so that the order of the predictions survives labels that contradict it."""


class LogOddsCalibration(Calibration):
    """Computes `sigmoid(a f + b)` of the prediction's log odds `f`.

    Args:
        whole: See `Calibration`.
        by_scenario: See `Calibration`.
        is_probability: Whether the predictions are probabilities, whose log odds are `f`; else
            they are `f` themselves, as a logit or a dot product is.

    Raises:
        ValueError: If a curve is not one of this kind, or a scenario is negative.
    """

    def __init__(
        self,
        whole: Curve,
        by_scenario: Mapping[int, Curve] | None = None,
        is_probability: bool = True,
    ) -> None:
        super().__init__(whole, by_scenario)
        self.is_probability = bool(is_probability)

    @classmethod
    def check_labels(cls, labels: FloatArray) -> None:
        """Checks labels, which must be from 0 to 1; see `Calibration`."""
        super().check_labels(labels)
        low, high = np.nanmin(labels), np.nanmax(labels)
        if low < 0 or high > 1:
            raise ValueError(
                "`labels` must be from 0 to 1 for a calibration in log odds, received "
                f"{low:g} to {high:g}; use 'isotonic' for ratings."
            )

    def apply_curve(self, values: FloatArray, curve: Curve) -> FloatArray:
        """Applies one curve; see `Calibration`."""
        slope, intercept = self.line(curve)
        return special.expit(slope * _log_odds(values, self.is_probability) + intercept)

    def apply_curve_tensor(self, values: Tensor, curves: Mapping[str, Tensor]) -> Tensor:
        """Applies curves in a graph; see `Calibration`."""
        if self.is_probability:
            values = tf.clip_by_value(values, _LOWEST, _HIGHEST)
            values = tf.math.log(values) - tf.math.log1p(-values)
        slope, intercept = self.line(curves)
        if values.shape.rank == 1:
            slope, intercept = (tf.reshape(each, [-1]) for each in (slope, intercept))
        return tf.sigmoid(slope * values + intercept)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain JSON values."""
        return {**super().get_config(), "is_probability": self.is_probability}

    @staticmethod
    @abstractmethod
    def line(curve: Mapping[str, Any]) -> tuple[Any, Any]:
        """Returns slope `a` and intercept `b` of a curve, numbers or tensors."""


def fit_line(
    predictions: FloatArray,
    labels: FloatArray,
    is_probability: bool,
    bounds: Sequence[tuple[float | None, float | None]],
) -> tuple[float, float]:
    """Finds the slope and intercept of the least log loss; the problem is convex.

    Args:
        predictions: float64 `[rows]`.
        labels: float64 `[rows]`, from 0 to 1.
        is_probability: See `LogOddsCalibration`.
        bounds: Least and highest slope, then intercept; None for no bound.

    Returns:
        Slope and intercept.
    """
    odds = _log_odds(predictions, is_probability)

    def loss(line: FloatArray) -> tuple[float, FloatArray]:
        logits = line[0] * odds + line[1]
        residuals = special.expit(logits) - labels
        mean_loss = np.mean(np.logaddexp(0, logits) - labels * logits)
        return float(mean_loss), np.array([np.mean(residuals * odds), np.mean(residuals)])

    found = optimize.minimize(
        loss,
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500},
    )
    return float(found.x[0]), float(found.x[1])


def _log_odds(values: FloatArray, is_probability: bool) -> FloatArray:
    if not is_probability:
        return values
    values = np.clip(values, _LOWEST, _HIGHEST)
    return np.log(values) - np.log1p(-values)
