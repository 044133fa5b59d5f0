import math

import numpy as np
import pytest

from recsys_tf.metrics import (
    TASK_METRICS,
    UndefinedMetricWarning,
    auc,
    auc_of_users,
    bootstrap,
    bootstrap_interval,
    by_slice,
    mae,
    mean_intervals,
    mean_of_users,
    metric_of_users,
    rmse,
)
from recsys_tf.metrics.bootstrap_rows import error_of_users
from recsys_tf.metrics.paired import paired_bootstrap

NAN = math.nan


def rows(seed=0, num_rows=500):
    """Labels with gaps, scores with ties, users of many and of few rows, weights with zeros."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, num_rows).astype(float)
    labels[rng.random(num_rows) < 0.1] = NAN
    scores = (rng.integers(0, 8, num_rows) + labels.round()) / 9
    scores[np.isnan(scores)] = 0.5
    users = rng.integers(0, 30, num_rows) ** 2
    return labels, scores, users, rng.random(num_rows) * (rng.random(num_rows) < 0.9)


def counts_of(statistic, num_samples=20, seed=3):
    num_users = len(statistic.users)
    rng = np.random.default_rng(seed)
    return rng.multinomial(num_users, np.full(num_users, 1 / num_users), num_samples).astype(float)


def test_statistic_of_counts_is_the_mean_of_the_repeated_users():
    rng = np.random.default_rng(0)
    values, weights = rng.random(12), rng.random(12)
    statistic = mean_of_users(values, weights)
    counts = counts_of(statistic)
    for count, found in zip(counts, statistic.of_counts(counts), strict=True):
        drawn = np.repeat(np.arange(12), count.astype(int))
        assert found == pytest.approx(np.average(values[drawn], weights=weights[drawn]), abs=1e-12)


@pytest.mark.parametrize("make", [auc_of_users, lambda *each: metric_of_users(auc, *each)])
def test_auc_of_counts_is_the_auc_of_the_repeated_rows(make):
    labels, scores, users, weights = rows()
    statistic = make(labels, scores, users, weights)
    counts = counts_of(statistic)
    for count, found in zip(counts, statistic.of_counts(counts), strict=True):
        times = dict(zip(statistic.users.tolist(), count.astype(int).tolist(), strict=True))
        drawn = np.repeat(np.arange(len(users)), [times.get(user, 0) for user in users.tolist()])
        expected = auc(labels[drawn], scores[drawn], weights[drawn])
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", TASK_METRICS["binary"])
def test_value_is_the_metric_of_the_rows(name):
    labels, scores, users, weights = rows(1)
    metric = TASK_METRICS["binary"][name]
    statistic = metric_of_users(metric, labels, scores, users, weights)
    assert statistic.value == metric(labels, scores, weights)


def test_users_without_a_value_or_a_labelled_row_are_not_drawn():
    assert mean_of_users([1.0, NAN, 3.0]).users.tolist() == [0, 2]
    assert mean_of_users([1.0, 2.0, 3.0], [1.0, 0.0, 1.0]).users.tolist() == [0, 2]
    statistic = auc_of_users([1, NAN, 0], [0.9, NAN, 0.1], ["a", "b", "c"])
    assert statistic.users.tolist() == ["a", "c"]


@pytest.mark.parametrize(("metric", "power"), [(mae, 1), (rmse, 2)])
def test_error_of_counts_is_the_error_of_the_repeated_rows(metric, power):
    labels, predictions, users, weights = rows()
    predictions[np.isnan(labels)] = NAN  # Of a row without a label nothing is asked.
    statistic = error_of_users(labels, predictions, users, weights, power=power)
    assert statistic.value == pytest.approx(metric(labels, predictions, weights), abs=1e-12)
    counts = counts_of(statistic)
    for count, found in zip(counts, statistic.of_counts(counts), strict=True):
        times = dict(zip(statistic.users.tolist(), count.astype(int).tolist(), strict=True))
        drawn = np.repeat(np.arange(len(users)), [times.get(user, 0) for user in users.tolist()])
        expected = metric(labels[drawn], predictions[drawn], weights[drawn])
        assert found == pytest.approx(expected, abs=1e-12)


def test_intervals_of_many_means_are_those_of_each():
    rng = np.random.default_rng(12)
    values, weights = rng.random((40, 3)), rng.integers(1, 5, (40, 3))
    values[:, 2] = NAN
    low, high = mean_intervals(values, weights, 0.9, num_samples=100)
    for column in (0, 1):
        alone = mean_of_users(values[:, column], weights[:, column])
        found = bootstrap_interval(alone, 0.9, num_samples=100)
        assert (low[column], high[column]) == pytest.approx((found.low, found.high), abs=1e-12)
    assert np.isnan([low[2], high[2]]).all()
    for shape in ((0, 2), (2, 0)):
        bounds = mean_intervals(np.zeros(shape), np.ones(shape), num_samples=5)
        assert [np.isnan(each).tolist() for each in bounds] == [[True] * shape[1]] * 2


def test_interval_of_normal_means_is_the_known_one():
    values = np.random.default_rng(5).normal(2, 3, 4000)
    found = bootstrap_interval(mean_of_users(values), num_samples=4000)
    half = 1.96 * values.std() / math.sqrt(4000)
    assert found.value == pytest.approx(values.mean(), abs=1e-12)
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(6)
    found = [
        bootstrap_interval(mean_of_users(rng.exponential(1, 100)), 0.9, num_samples=400)
        for _ in range(300)
    ]
    share = np.mean([each.low <= 1 <= each.high for each in found])
    assert 0.84 < share < 0.95


def test_interval_over_users_is_wider_than_over_rows_where_a_users_rows_are_alike():
    rng = np.random.default_rng(7)
    users = np.repeat(np.arange(40), 25)
    labels = rng.integers(0, 2, 40)[users]
    scores = (labels + rng.normal(0, 2, 40)[users]) / 9
    of_users = bootstrap_interval(auc_of_users(labels, scores, users), num_samples=500)
    of_rows = bootstrap_interval(auc_of_users(labels, scores, np.arange(1000)), num_samples=500)
    assert of_users.value == pytest.approx(of_rows.value, abs=1e-12)
    assert of_users.high - of_users.low > 3 * (of_rows.high - of_rows.low)


def test_equal_seeds_give_equal_intervals_and_other_seeds_others():
    statistic = mean_of_users(np.random.default_rng(8).random(50))
    first = bootstrap_interval(statistic, seed=1)
    assert bootstrap_interval(statistic, seed=1) == first
    assert bootstrap_interval(statistic, seed=2) != first


@pytest.mark.parametrize("num_users", [7, 50])
def test_size_of_the_blocks_does_not_matter(num_users, monkeypatch):
    statistic = mean_of_users(np.random.default_rng(9).random(num_users))
    whole = bootstrap.resampled(statistic, 33, seed=0)
    monkeypatch.setattr(bootstrap, "_BLOCK_NUMBERS", 3 * num_users)
    np.testing.assert_allclose(bootstrap.resampled(statistic, 33, seed=0), whole, rtol=1e-14)


def test_wider_level_gives_a_wider_interval():
    statistic = mean_of_users(np.random.default_rng(10).random(50))
    narrow, wide = bootstrap_interval(statistic, 0.5), bootstrap_interval(statistic, 0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_resamples_without_a_class_are_left_out():
    labels, scores, users = [1, 0, 0, 0], [0.9, 0.1, 0.2, 0.3], [1, 2, 3, 4]
    for make in (auc_of_users, lambda *each: metric_of_users(auc, *each)):
        found = bootstrap_interval(make(labels, scores, users), num_samples=200)
        assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: mean_of_users([NAN, NAN]),
        lambda: mean_of_users([]),
        lambda: auc_of_users([1, 1], [0.1, 0.9], [1, 2]),
        lambda: auc_of_users([NAN], [0.1], [1]),
        lambda: metric_of_users(mae, [NAN], [0.1], [1]),
    ],
)
def test_undefined_metric_gives_nan_and_a_warning(make):
    with pytest.warns(UndefinedMetricWarning, match="the rows do not define the metric"):
        found = bootstrap_interval(make(), num_samples=5)
    assert math.isnan(found.value)
    assert math.isnan(found.low)


def test_interval_of_each_slice_is_that_of_the_slices_users():
    values, slices = np.random.default_rng(11).random(60), np.repeat(["new", "old"], 30)
    found = by_slice(lambda each: bootstrap_interval(mean_of_users(each)), slices, values)
    assert found["old"] == bootstrap_interval(mean_of_users(values[30:]))
    assert found["old"].num_users == 30


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: bootstrap_interval(mean_of_users([1.0]), 95), r"`level` must lie .* received 95"),
        (lambda: bootstrap_interval(mean_of_users([1.0]), num_samples=0), r"`num_samples` must be"),
        (lambda: bootstrap_interval(mean_of_users([]), num_samples=0), r"`num_samples` must be"),
        (
            lambda: mean_intervals(np.ones((0, 1)), np.ones((0, 1)), num_samples=0),
            r"`num_samples` must be",
        ),
        (
            lambda: paired_bootstrap(mean_of_users([]), mean_of_users([]), num_samples=0),
            r"`num_samples` must be",
        ),
        (lambda: error_of_users([1.0], [NAN], [1], power=2), r"`predictions` must not be NaN"),
        (lambda: error_of_users([1.0, 2.0], [1.0], [1, 1], power=2), r"`predictions` must have"),
        (lambda: mean_of_users([1.0], [-1.0]), r"`weights` must be finite and at least 0"),
        (lambda: auc_of_users([1, 0], [0.1, 0.2], [1]), r"`users` must name .* 2 rows, received"),
        (lambda: auc_of_users([1, 3], [0.1, 0.2], [1, 1]), r"`labels` must be 0 or 1"),
        (lambda: metric_of_users(auc, [1], [0.1], [[1]]), r"`users` .* received shape \(1, 1\)"),
    ],
)
def test_wrong_argument_is_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_metric_without_a_labelled_row_is_nan():
    assert math.isnan(auc_of_users([math.nan], [0.1], [1]).value)
    assert math.isnan(mean_of_users([math.nan]).value)
