"""Rows of labels and predictions: checked, and cut to those that have a label."""

from __future__ import annotations

import numpy as np

from recsys_tf.metrics.undefined import undefined
from recsys_tf.types import Array, FloatArray, IntArray


def labelled_rows(
    labels: Array, predictions: Array, weights: Array | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Keeps the rows that have a label and a weight above 0.

    Args:
        labels: float `[B]` or `[B, C]`; NaN = no label.
        predictions: float, as many rows as `labels`. A NaN in a row that has a label is an error:
            it would turn the whole metric into NaN, or be left out in the model's favour.
        weights: float `[B]`, of the shape of `labels` at the most; None weighs all rows alike.

    Returns:
        Labels, predictions and weights of the kept rows, float64. Labels `[B, C]` keep the rows
        where any of the `C` labels is present.

    Raises:
        ValueError: If the lengths differ, a prediction is NaN, or a weight is negative or not
            finite.

    Example:
        >>> labels, predictions, weights = labelled_rows([1, float("nan")], [0.5, 0.25])
        >>> labels.tolist(), predictions.tolist(), weights.tolist()
        ([1.0], [0.5], [1.0])
    """
    labels = np.asarray(labels, dtype=np.float64)
    predictions = np.asarray(predictions, dtype=np.float64)
    if labels.ndim == 0 or len(predictions.shape) == 0 or len(labels) != len(predictions):
        raise ValueError(
            "`predictions` must have as many rows as `labels`, received shapes "
            f"{predictions.shape} and {labels.shape}."
        )
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != labels.shape[:1]:
        raise ValueError(
            f"`weights` must hold one number a row, {labels.shape[:1]}, received shape "
            f"{weights.shape}."
        )
    present = has_label(labels)
    bad_weights = present & ~(np.isfinite(weights) & (weights >= 0))
    if bad_weights.any():
        raise ValueError(
            "`weights` must be finite and at least 0, received "
            f"{weights[bad_weights][0]} in row {int(np.argmax(bad_weights))}; 0 leaves a row out."
        )
    kept = present & (weights > 0)
    labels, predictions, weights = labels[kept], predictions[kept], weights[kept]
    if np.isnan(predictions).any():
        raise ValueError(
            "`predictions` must not be NaN where a label is present, received NaN in "
            f"{int(np.isnan(predictions).reshape(len(predictions), -1).any(axis=1).sum())} of "
            f"{len(predictions)} rows; look for a diverged loss or a missing input."
        )
    return labels, predictions, weights


def has_label(labels: Array) -> Array:
    """Tells the rows that have a label.

    Args:
        labels: float `[B]` or `[B, C]`, NaN = no label; or int `[B]`, -1 = no class.

    Returns:
        Bool `[B]`; of labels `[B, C]` the rows where any of the `C` is present.

    Example:
        >>> has_label(np.array([0.0, np.nan])).tolist(), has_label(np.array([0, -1])).tolist()
        ([True, False], [True, False])
    """
    is_class = np.issubdtype(labels.dtype, np.integer)
    present = np.asarray(labels >= 0 if is_class else ~np.isnan(labels))
    return np.asarray(present.any(axis=tuple(range(1, present.ndim))))


def weighted_mean(metric: str, values: FloatArray, weights: FloatArray) -> float:
    """Computes `sum(w v) / sum(w)`.

    Args:
        metric: Name of the metric, for the warning.
        values: float `[B]`.
        weights: float `[B]`, above 0.

    Returns:
        The mean; NaN with `UndefinedMetricWarning` without rows.

    Example:
        >>> weighted_mean("mae", np.array([1.0, 4.0]), np.array([2.0, 1.0]))
        2.0
    """
    if not len(values):
        return undefined(metric, "no row has a label")
    return float(np.average(values, weights=weights))


def sums_by(groups: IntArray, values: Array, num_groups: int = 0) -> FloatArray:
    """Sums the values of each group's rows.

    Args:
        groups: int `[B]`, 0 or above.
        values: float `[B]`.
        num_groups: Groups at the least, `G`.

    Returns:
        float64 `[G]`, 0 for a group without rows.

    Example:
        >>> sums_by(np.array([1, 1, 0]), np.array([1.0, 2.0, 4.0]), 3).tolist()
        [4.0, 3.0, 0.0]
    """
    # NumPy's own types say that it counts, with weights or without.
    return np.bincount(groups, values, num_groups).astype(np.float64)


def check_same_shape(labels: Array, predictions: Array) -> None:
    """Raises unless both have one shape, which NumPy would else broadcast.

    Args:
        labels: Any array.
        predictions: Any array.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> check_same_shape(np.zeros(2), np.zeros(2))
    """
    if np.shape(labels) != np.shape(predictions):
        raise ValueError(
            f"`predictions` must have the shape of `labels`, {np.shape(labels)}, received "
            f"{np.shape(predictions)}."
        )
