"""Is one model better than another on the same users, or is it chance? Three paired tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from recsys_tf.metrics.bootstrap import (
    Statistic,
    bounds,
    check_level,
    check_resampling,
    mean_of_users,
    resampled,
)
from recsys_tf.metrics.rows import check_same_shape
from recsys_tf.metrics.undefined import undefined
from recsys_tf.naming import look_up
from recsys_tf.types import Array, FloatArray

_ROUNDING = 1e-12
"""Share of a number that sums and differences may be off by."""


@dataclass(frozen=True)
class PairedTest:
    """What a paired test says of two models.

    Attributes:
        difference: First minus second.
        low: Lower bound of the difference's confidence interval.
        high: Upper bound.
        p_value: How often a difference as large as this, in either direction, would come about if
            the models were equal; two-sided.
        num_users: Users that it rests on.
    """

    difference: float
    low: float
    high: float
    p_value: float
    num_users: int


def paired_bootstrap(
    first: Statistic,
    second: Statistic,
    level: float = 0.95,
    num_samples: int = 2000,
    seed: int = 0,
) -> PairedTest:
    """Tests whether two models differ in any metric, by drawing the same users for both.

    With the differences `d*_r` of the resamples, the interval holds their middle `level`, and
    `p = (1 + number of |d*_r - d| >= |d|) / (1 + R)`. It assumes nothing of how the differences
    are spread; choose it for AUC and for ratios, and where few users carry the difference.

    Args:
        first: One model's metric; see `mean_of_users`, `auc_of_users`, `metric_of_users`.
        second: The other's, over the same users.
        level: Confidence level of the interval.
        num_samples: Resamples; the smallest possible p value is 1 over their number plus 1.
        seed: Equal seeds give equal results.

    Returns:
        The test; NaN with `UndefinedMetricWarning` where a metric is undefined.

    Raises:
        ValueError: If the users differ, `level` is not between 0 and 1 or `num_samples` below 1.

    Example:
        >>> first, second = mean_of_users(np.arange(50) + 1.0), mean_of_users(np.arange(50))
        >>> found = paired_bootstrap(first, second)
        >>> found.difference, found.low, found.high, found.p_value < 0.001
        (1.0, 1.0, 1.0, True)

    Source:
        Efron and Tibshirani (1993), An introduction to the bootstrap,
        https://doi.org/10.1201/9780429246593, chapters 13 and 16.
    """
    check_resampling(level, num_samples)
    if not np.array_equal(first.users, second.users):
        raise ValueError(
            f"`second` must be measured on the users of `first`, received {len(second.users)} and "
            f"{len(first.users)} users that are not the same; a user without a value in one model "
            "is left out of both."
        )
    both = Statistic(
        first.users,
        lambda counts: first.of_counts(counts) - second.of_counts(counts),
        max(first.sample_size, second.sample_size),
    )
    difference = both.value
    if math.isnan(difference):
        return _undefined(len(both.users), "the rows do not define the metric")
    samples = resampled(both, num_samples, seed)
    samples = samples[~np.isnan(samples)]
    # A sum in another order moves the last digit; equal differences must count as equal.
    slack = 1e-12 * max(1.0, abs(difference))
    is_far = np.abs(samples - difference) >= abs(difference) - slack
    p_value = (1 + np.count_nonzero(is_far)) / (1 + len(samples))
    return PairedTest(difference, *bounds(samples, level), float(p_value), len(both.users))


def paired_t(first: Array, second: Array, level: float = 0.95) -> PairedTest:
    """Tests whether the mean of the users' differences is 0, `t = mean(d) / (s_d / sqrt(U))`.

    Exact where the differences are normal, and good enough from some hundred users on, since only
    their mean must be nearly normal. The usual choice for NDCG and recall of many users.

    Args:
        first: float `[U]`, one model's value of each user; NaN = no value.
        second: float `[U]`, the other's of the same users.
        level: Confidence level of the interval.

    Returns:
        The test; NaN with `UndefinedMetricWarning` for fewer than two users.

    Raises:
        ValueError: If the shapes differ, a user has a value in one model only, or `level` is not
            between 0 and 1.

    Example:
        >>> found = paired_t([3.0, 2.0, 4.0], [1.0, 1.0, 1.0])  # d = 2, 1, 3: t = 2 sqrt(3)
        >>> found.difference, round(found.p_value, 4)
        (2.0, 0.0742)

    Source:
        Student (1908), The probable error of a mean, https://doi.org/10.1093/biomet/6.1.1
    """
    check_level(level)
    differences = _differences(first, second)
    num_users = len(differences)
    if num_users < 2:
        return _undefined(num_users, "fewer than two users have a value")
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(num_users)
    width = float(special.stdtrit(num_users - 1, (1 + level) / 2)) * error
    if error == 0:
        p_value = 1.0 if mean == 0 else 0.0
    else:
        p_value = 2 * float(special.stdtr(num_users - 1, -abs(mean) / error))
    return PairedTest(mean, mean - width, mean + width, p_value, num_users)


def paired_wilcoxon(
    first: Array, second: Array, level: float = 0.95, num_samples: int = 2000, seed: int = 0
) -> PairedTest:
    """Tests by the signed ranks of the users' differences whether they lean to one side.

    With the ranks of `|d_u|`, ties sharing their mean rank and zeros left out, `W` is the sum over
    `d_u > 0`; `z = (W - E) / sd` is held against the normal distribution. Differences that only
    rounding tells apart are tied. One user with a huge difference cannot decide it. It asks whether
    the differences lie about 0, not whether their mean is 0; the interval, of the mean, comes from
    the bootstrap.

    Args:
        first: float `[U]`, one model's value of each user; NaN = no value.
        second: float `[U]`, the other's of the same users.
        level: Confidence level of the interval.
        num_samples: Resamples for the interval.
        seed: Seed of the resamples.

    Returns:
        The test; the p value is 1 where no user differs. NaN with `UndefinedMetricWarning` for
        fewer than two users. The normal approximation wants about 20 differing users.

    Raises:
        ValueError: As `paired_t`, or if `num_samples` is below 1.

    Example:
        >>> found = paired_wilcoxon([3.0, 2.0, 4.0], [1.0, 1.0, 1.0])  # W = 6, E = 3, sd^2 = 3.5
        >>> found.difference, round(found.p_value, 4)
        (2.0, 0.1088)

    Source:
        Wilcoxon (1945), Individual comparisons by ranking methods,
        https://doi.org/10.2307/3001968; the variance with ties by Pratt (1959).
    """
    check_resampling(level, num_samples)
    differences = _differences(first, second)
    if len(differences) < 2:
        return _undefined(len(differences), "fewer than two users have a value")
    samples = resampled(mean_of_users(differences), num_samples, seed)
    return PairedTest(
        float(differences.mean()),
        *bounds(samples, level),
        _signed_rank_p_value(differences[differences != 0], _largest(first, second)),
        len(differences),
    )


PAIRED_TESTS: dict[str, Callable[..., PairedTest]] = {
    "bootstrap": lambda first, second, level: paired_bootstrap(
        mean_of_users(first), mean_of_users(second), level
    ),
    "t": paired_t,
    "wilcoxon": paired_wilcoxon,
}
"""Tests by name: `(first [U], second [U], level) -> PairedTest`."""


def paired_test(
    first: Array, second: Array, test: str = "bootstrap", level: float = 0.95
) -> PairedTest:
    """Tests two models' values of the same users by the test of that name.

    Args:
        first: float `[U]`, one model's value of each user; NaN = no value.
        second: float `[U]`, the other's of the same users.
        test: `bootstrap`, `t` or `wilcoxon`.
        level: Confidence level of the interval.

    Returns:
        The test.

    Raises:
        ValueError: If `test` is unknown, or as the test itself says.

    Example:
        >>> paired_test([3.0, 2.0, 4.0], [1.0, 1.0, 1.0], "t").num_users
        3
    """
    return look_up(PAIRED_TESTS, test, "test")(first, second, level)


def _differences(first: Array, second: Array) -> FloatArray:
    """First minus second of the users that have a value."""
    check_same_shape(first, second)
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    is_missing = np.isnan(first)
    if (is_missing != np.isnan(second)).any():
        raise ValueError(
            "`second` must have a value for the same users as `first`, received "
            f"{int((is_missing != np.isnan(second)).sum())} users with a value in one model only."
        )
    differences = first - second
    # What rounding has left of equal values is no difference.
    differences[np.abs(differences) <= _ROUNDING * np.maximum(np.abs(first), np.abs(second))] = 0
    return differences[~is_missing]


def _largest(first: Array, second: Array) -> float:
    return float(np.nanmax(np.abs([first, second])))


def _signed_rank_p_value(differences: FloatArray, largest: float) -> float:
    """Tests differences, none 0, of values up to a largest one, by which these are rounded."""
    num_users = len(differences)
    if not num_users:
        return 1.0
    # .3 - .2 and 1.3 - 1.2 are equal, but for the last digit of a float.
    sizes = np.round(np.abs(differences) / (_ROUNDING * largest))
    _, level, num_tied = np.unique(sizes, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(num_tied) - (num_tied - 1) / 2)[level.reshape(-1)]
    expected = num_users * (num_users + 1) / 4
    variance = num_users * (num_users + 1) * (2 * num_users + 1) / 24
    variance -= float((num_tied**3 - num_tied).sum()) / 48
    z = (float(ranks[differences > 0].sum()) - expected) / math.sqrt(variance)
    return 2 * float(special.ndtr(-abs(z)))


def _undefined(num_users: int, reason: str) -> PairedTest:
    nan = undefined("paired test", reason)
    return PairedTest(nan, nan, nan, nan, num_users)
