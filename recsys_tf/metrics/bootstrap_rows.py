"""Bootstrap of metrics over rows, such as AUC, where the users whose rows they are are drawn."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from recsys_tf.metrics.bootstrap import Statistic, ratio
from recsys_tf.metrics.probability import check_binary
from recsys_tf.metrics.rows import check_same_shape, labelled_rows, sums_by
from recsys_tf.metrics.undefined import UndefinedMetricWarning
from recsys_tf.types import Array, FloatArray, IntArray


def auc_of_users(
    labels: Array, scores: Array, users: Array, weights: Array | None = None
) -> Statistic:
    """Makes the statistic `auc` over the rows of the drawn users, sorted once for all resamples.

    Args:
        labels: float `[B]`, 0 or 1; NaN = no label, the row is left out.
        scores: float `[B]`.
        users: `[B]`, whose row it is.
        weights: float `[B]`, at least 0; None weighs all rows alike.

    Returns:
        The statistic; its users are those with a labelled row.

    Raises:
        ValueError: If a label is neither 0 nor 1, the shapes differ or a score is NaN.

    Example:
        >>> auc_of_users([1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1], users=["a", "a", "b", "b"]).value
        0.875
    """
    labels, scores, weights, names, codes = _rows_of_users(labels, scores, users, weights)
    check_binary(labels)
    order = np.argsort(scores, kind="stable")
    labels, scores, weights = (each[order] for each in (labels, scores, weights))
    codes = codes[order]
    positive, negative = weights * labels, weights * (1 - labels)
    starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))

    def of_counts(counts: FloatArray) -> FloatArray:
        of_rows = counts[:, codes]
        positive_at = np.add.reduceat(of_rows * positive, starts, axis=1)
        negative_at = np.add.reduceat(of_rows * negative, starts, axis=1)
        below = np.cumsum(negative_at, axis=1)
        won = (positive_at * (below - negative_at / 2)).sum(axis=1)
        return ratio(won, positive_at.sum(axis=1) * below[:, -1])

    return Statistic(names, of_counts, 4 * len(labels))


def error_of_users(
    labels: Array, predictions: Array, users: Array, weights: Array | None = None, *, power: int
) -> Statistic:
    """Makes the statistic `(mean |y - p|^power)^(1 / power)` over the rows of the drawn users.

    Args:
        labels: float `[B]`; NaN = no label, the row is left out.
        predictions: float `[B]`.
        users: `[B]`, whose row it is.
        weights: float `[B]`, at least 0; None weighs all rows alike.
        power: 2 for RMSE, 1 for MAE.

    Returns:
        The statistic; its users are those with a labelled row.

    Raises:
        ValueError: If the shapes differ or a prediction is NaN.

    Example:
        >>> error_of_users([3.0, 1.0], [0.0, 5.0], [7, 8], power=2).value  # sqrt((9 + 16) / 2)
        3.5355339059327378
    """
    labels, predictions, weights, names, codes = _rows_of_users(labels, predictions, users, weights)
    errors = np.abs(labels - predictions) ** power
    above, below = (sums_by(codes, weights * each, len(names)) for each in (errors, 1.0))
    return Statistic(
        names, lambda counts: ratio(counts @ above, counts @ below) ** (1 / power), len(names)
    )


def metric_of_users(
    metric: Callable[..., float],
    labels: Array,
    predictions: Array,
    users: Array,
    weights: Array | None = None,
) -> Statistic:
    """Makes a statistic of any metric of weighted rows over the rows of the drawn users.

    A user who is drawn twice weighs twice. The metric is called once a resample; `auc_of_users` is
    many times faster for AUC.

    Args:
        metric: `(labels, predictions, weights) -> float`, such as those of `TASK_METRICS`.
        labels: `[B]` or `[B, C]`, as the metric takes them.
        predictions: As the metric takes them.
        users: `[B]`, whose row it is.
        weights: float `[B]`, at least 0; None weighs all rows alike.

    Returns:
        The statistic; its users are all of `users`, with a label or without.

    Raises:
        ValueError: If the lengths differ.

    Example:
        >>> from recsys_tf.metrics import mae
        >>> statistic = metric_of_users(mae, [1.0, 2.0, 4.0], [1.0, 1.0, 1.0], [7, 7, 8])
        >>> statistic.of_counts(np.array([[1.0, 1.0], [2.0, 0.0]])).tolist()  # 4 / 3, 1 / 2
        [1.3333333333333333, 0.5]
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    names, codes = _codes(users, len(labels))
    given = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)

    def of_counts(counts: FloatArray) -> FloatArray:
        with warnings.catch_warnings():
            # Some resample of a rare class has none of it.
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            return np.array([metric(labels, predictions, given * row[codes]) for row in counts])

    return Statistic(names, of_counts, len(names))


def _rows_of_users(
    labels: Array, predictions: Array, users: Array, weights: Array | None
) -> tuple[FloatArray, FloatArray, FloatArray, Array, IntArray]:
    """The labelled rows and their weights, the users who have one, and each row's among these."""
    check_same_shape(labels, predictions)
    names, codes = _codes(users, len(labels))
    rows = np.stack([np.asarray(predictions, np.float64), codes], axis=-1)
    labels, rows, weights = labelled_rows(labels, rows, weights)
    # Users without a labelled row are not drawn.
    present, codes = np.unique(rows[:, 1].astype(np.int64), return_inverse=True)
    return labels, rows[:, 0], weights, names[present], codes.reshape(-1)


def _codes(users: Array, num_rows: int) -> tuple[Array, IntArray]:
    """The users' names, ascending, and each row's position in them."""
    users = np.asarray(users)
    if users.shape != (num_rows,):
        raise ValueError(
            f"`users` must name the user of each of the {num_rows} rows, received shape "
            f"{users.shape}."
        )
    names, codes = np.unique(users, return_inverse=True)
    return names, codes.reshape(-1)
