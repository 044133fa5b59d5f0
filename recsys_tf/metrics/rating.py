"""How far predicted ratings are from the given ones."""

from __future__ import annotations

import math

import numpy as np

from recsys_tf.metrics.rows import check_same_shape, labelled_rows, weighted_mean
from recsys_tf.types import Array


def rmse(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """Computes the root of the mean squared error, `sqrt(sum(w (y - p)^2) / sum(w))`.

    The metric of the rating-prediction literature; large errors count more than in `mae`.

    Args:
        labels: float `[B]`; NaN = no label, the row is left out.
        predictions: float `[B]`, in the unit of the labels.
        weights: float `[B]`, at least 0; None weighs all rows alike.

    Returns:
        The error in the unit of the labels; NaN with `UndefinedMetricWarning` without labels.

    Raises:
        ValueError: If the shapes differ or a prediction is NaN.

    Example:
        >>> rmse([3.0, 5.0, float("nan")], [3.0, 3.0, 1.0])  # sqrt((0 + 4) / 2)
        1.4142135623730951
    """
    check_same_shape(labels, predictions)
    labels, predictions, weights = labelled_rows(labels, predictions, weights)
    return math.sqrt(weighted_mean("rmse", np.square(labels - predictions), weights))


def mae(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """Computes the mean absolute error, `sum(w |y - p|) / sum(w)`.

    Args:
        labels: float `[B]`; NaN = no label, the row is left out.
        predictions: float `[B]`, in the unit of the labels.
        weights: float `[B]`, at least 0; None weighs all rows alike.

    Returns:
        The error in the unit of the labels; NaN with `UndefinedMetricWarning` without labels.

    Raises:
        ValueError: If the shapes differ or a prediction is NaN.

    Example:
        >>> mae([3.0, 5.0, float("nan")], [3.0, 3.0, 1.0])  # (0 + 2) / 2
        1.0
    """
    check_same_shape(labels, predictions)
    labels, predictions, weights = labelled_rows(labels, predictions, weights)
    return weighted_mean("mae", np.abs(labels - predictions), weights)
