"""How often predicted classes are right: accuracy and F1, by kind of task."""

from __future__ import annotations

import numpy as np

from recsys_tf.metrics.probability import check_binary, labelled_classes
from recsys_tf.metrics.rows import check_same_shape, labelled_rows, weighted_mean
from recsys_tf.metrics.undefined import undefined
from recsys_tf.types import Array, FloatArray


def binary_accuracy(
    labels: Array, probabilities: Array, weights: Array | None = None, threshold: float = 0.5
) -> float:
    """Computes the share of labels that the thresholded probability meets.

    Says little where one class is rare (always "no" is right 97 times in 100): see `binary_f1`
    and `auc` beside it.

    Args:
        labels: float `[B]` or `[B, C]`, 0 or 1; NaN = no label, left out.
        probabilities: float of the same shape.
        weights: float `[B]`, at least 0; None weighs all rows alike.
        threshold: A probability of at least this counts as a 1.

    Returns:
        Between 0 and 1; of labels `[B, C]` the mean of the rows' shares. NaN with
        `UndefinedMetricWarning` without labels.

    Raises:
        ValueError: If a label is neither 0 nor 1, or the shapes differ.

    Example:
        >>> binary_accuracy([1, 0, 1, float("nan")], [0.9, 0.2, 0.4, 0.9], threshold=0.3)
        1.0
    """
    check_same_shape(labels, probabilities)
    labels, probabilities, weights = labelled_rows(labels, probabilities, weights)
    check_binary(labels)
    is_right = np.where(np.isnan(labels), np.nan, (probabilities >= threshold) == (labels == 1))
    by_row = is_right if is_right.ndim == 1 else np.nanmean(is_right, axis=1)
    return weighted_mean("accuracy", by_row, weights)


def binary_f1(
    labels: Array, probabilities: Array, weights: Array | None = None, threshold: float = 0.5
) -> float:
    """Computes `2 TP / (2 TP + FP + FN)` of the class 1, the harmonic mean of precision and recall.

    Labels `[B, C]` are counted together over all `C` (the micro average).

    Args:
        labels: float `[B]` or `[B, C]`, 0 or 1; NaN = no label, left out.
        probabilities: float of the same shape.
        weights: float `[B]`, at least 0; None weighs all rows alike.
        threshold: A probability of at least this counts as a 1.

    Returns:
        Between 0 and 1; NaN with `UndefinedMetricWarning` where there is no 1 among labels and
        predictions.

    Raises:
        ValueError: If a label is neither 0 nor 1, or the shapes differ.

    Example:
        >>> binary_f1([1, 1, 0, 0], [0.9, 0.2, 0.8, 0.1])  # TP 1, FP 1, FN 1
        0.5
    """
    check_same_shape(labels, probabilities)
    labels, probabilities, weights = labelled_rows(labels, probabilities, weights)
    check_binary(labels)
    weights = np.where(np.isnan(labels).T, 0, weights).T
    predicted = probabilities >= threshold
    return _f1(
        float(weights[predicted & (labels == 1)].sum()),
        float(weights[predicted & (labels == 0)].sum()),
        float(weights[~predicted & (labels == 1)].sum()),
    )


def multiclass_accuracy(labels: Array, probabilities: Array, weights: Array | None = None) -> float:
    """Computes the share of rows whose likeliest class is the right one.

    Args:
        labels: int `[B]`, class indexes from 0 on; -1 (or NaN) = no label, left out.
        probabilities: float `[B, C]`, or logits; the lowest index wins a tie.
        weights: float `[B]`, at least 0; None weighs all rows alike.

    Returns:
        Between 0 and 1; NaN with `UndefinedMetricWarning` without labels.

    Raises:
        ValueError: If a label is not a class index below `C`.

    Example:
        >>> multiclass_accuracy([1, 0, -1], [[0.2, 0.8], [0.1, 0.9], [1.0, 0.0]])
        0.5
    """
    classes, probabilities, weights = labelled_classes(labels, probabilities, weights)
    is_right = probabilities.argmax(axis=1) == classes
    return weighted_mean("accuracy", is_right.astype(np.float64), weights)


def macro_f1(labels: Array, probabilities: Array, weights: Array | None = None) -> float:
    """Computes the mean over the classes of each class's F1, so that rare classes count alike.

    Classes that are neither a label nor a prediction of any row are left out.

    Args:
        labels: int `[B]`, class indexes from 0 on; -1 (or NaN) = no label, left out.
        probabilities: float `[B, C]`, or logits; the lowest index wins a tie.
        weights: float `[B]`, at least 0; None weighs all rows alike.

    Returns:
        Between 0 and 1; NaN with `UndefinedMetricWarning` without labels.

    Raises:
        ValueError: If a label is not a class index below `C`.

    Example:
        >>> rows = [[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0]]
        >>> round(macro_f1([0, 1, 1], rows), 6)  # both classes: 2 / (2 + 1); class 2 left out
        0.666667
    """
    classes, probabilities, weights = labelled_classes(labels, probabilities, weights)
    if not len(classes):
        return undefined("f1", "no row has a label")
    predicted = probabilities.argmax(axis=1)
    num_classes = probabilities.shape[1]
    right = np.bincount(classes, weights=weights * (predicted == classes), minlength=num_classes)
    total = np.bincount(classes, weights=weights, minlength=num_classes) + np.bincount(
        predicted, weights=weights, minlength=num_classes
    )
    is_present = total > 0
    values: FloatArray = 2 * right[is_present] / total[is_present]
    return float(values.mean())


def _f1(true_positive: float, false_positive: float, false_negative: float) -> float:
    total = 2 * true_positive + false_positive + false_negative
    if total == 0:
        return undefined("f1", "there is no 1 among labels and predictions")
    return 2 * true_positive / total
