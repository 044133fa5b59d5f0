import math

import numpy as np
import pytest
from scipy import stats

from recsys_tf.metrics import (
    PAIRED_TESTS,
    UndefinedMetricWarning,
    auc_of_users,
    mean_of_users,
    paired_bootstrap,
    paired_t,
    paired_test,
    paired_wilcoxon,
)

NAN = math.nan


def values(shift, seed=0, num_users=80, is_rounded=False):
    """Values of users who differ much, of two models that differ little."""
    rng = np.random.default_rng(seed)
    second = rng.random(num_users) * 5
    first = second + rng.normal(shift, 0.3, num_users)
    return (first.round(1), second.round(1)) if is_rounded else (first, second)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.2])
def test_t_equals_scipy(shift):
    first, second = values(shift)
    found, expected = paired_t(first, second), stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-12)


@pytest.mark.parametrize("is_rounded", [False, True])
@pytest.mark.parametrize("shift", [0.0, 0.05, 0.2])
def test_wilcoxon_equals_scipy_with_ties_and_zeros(shift, is_rounded):
    first, second = values(shift, is_rounded=is_rounded)
    differences = (first - second).round(9) + 0.0
    expected = stats.wilcoxon(differences, correction=False)  # Approximate above 50 users.
    # As they are: that equal differences differ in their last digit is ours to see.
    assert paired_wilcoxon(first, second).p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_differences_are_tied_though_their_last_digits_differ():
    # d = .1, -.1: both of rank 1.5, W = E.
    assert paired_wilcoxon([0.3, 1.2], [0.2, 1.3]).p_value == 1
    assert paired_wilcoxon([1e6 + 0.3, 4.9], [1e6 + 0.2, 5.0]).p_value == 1


@pytest.mark.parametrize("name", ["t", "wilcoxon"])
def test_rounding_is_no_difference(name):
    second = [0.1 + 0.2, 0.7, 1.1 + 2.2]
    assert second != [0.3, 0.7, 3.3]
    assert paired_test([0.3, 0.7, 3.3], second, name).p_value == 1
    assert paired_test([0.3] * 3, [0.1 + 0.2] * 3, name).p_value == 1


def test_tiny_values_are_told_apart_all_the_same():
    first, second = values(0.2)
    expected = paired_wilcoxon(first, second).p_value
    found = paired_wilcoxon(first * 1e-30, second * 1e-30).p_value
    assert found == pytest.approx(expected, rel=1e-9)


def test_bootstrap_of_means_is_near_the_t_test():
    first, second = values(0.05, num_users=400)
    found, expected = paired_test(first, second), paired_t(first, second)
    assert found.difference == pytest.approx(expected.difference, abs=1e-12)
    assert found.p_value == pytest.approx(expected.p_value, abs=0.02)
    width = expected.high - expected.low
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.08 * width)


@pytest.mark.parametrize("name", PAIRED_TESTS)
def test_small_gain_of_all_users_is_found_though_users_differ_much(name):
    first, second = values(0.2)
    found = paired_test(first, second, name)
    assert found.p_value < 0.001
    assert 0 < found.low < found.difference < found.high
    assert stats.ttest_ind(first, second).pvalue > 0.3


@pytest.mark.parametrize("name", PAIRED_TESTS)
def test_models_that_are_equal_but_for_chance_seldom_differ(name):
    p_values = [paired_test(*values(0.0, seed), name).p_value for seed in range(60)]
    assert 0.2 < np.mean(p_values) < 0.8
    assert np.mean(np.array(p_values) < 0.05) < 0.15


@pytest.mark.parametrize("name", PAIRED_TESTS)
def test_exchange_of_the_models_turns_the_difference_round(name):
    first, second = values(0.05)
    there, back = paired_test(first, second, name), paired_test(second, first, name)
    assert back.p_value == pytest.approx(there.p_value, abs=1e-12)
    assert back.difference == pytest.approx(-there.difference, abs=1e-12)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-9)


@pytest.mark.parametrize("name", PAIRED_TESTS)
def test_equal_models_have_no_difference_and_p_one(name):
    found = paired_test([0.5, 0.2, 0.9], [0.5, 0.2, 0.9], name)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize("name", PAIRED_TESTS)
def test_user_without_a_value_in_both_models_is_left_out(name):
    first, second = values(0.05)
    found = paired_test([*first, NAN], [*second, NAN], name)
    assert found == paired_test(first, second, name)
    assert found.num_users == 80


@pytest.mark.parametrize("name", PAIRED_TESTS)
def test_user_with_a_value_in_one_model_only_is_an_error(name):
    with pytest.raises(ValueError, match=r"`second` must"):
        paired_test([1.0, NAN, 2.0], [1.0, 2.0, NAN], name)


@pytest.mark.parametrize("name", PAIRED_TESTS)
def test_no_users_give_nan_and_a_warning(name):
    with pytest.warns(UndefinedMetricWarning, match="`paired test` is undefined"):
        assert math.isnan(paired_test([NAN], [NAN], name).p_value)


def test_difference_of_all_users_alike_is_certain_to_the_t_test():
    found = paired_t([2.0, 3.0], [1.0, 2.0])
    assert (found.low, found.high, found.p_value) == (1, 1, 0)


def test_auc_of_two_models_is_compared_on_the_same_users():
    rng = np.random.default_rng(2)
    labels, users = rng.integers(0, 2, 900), rng.integers(0, 60, 900)
    good, bad = labels + rng.normal(0, 1, 900), labels + rng.normal(0, 3, 900)
    first, second = (auc_of_users(labels, scores, users) for scores in (good, bad))
    found = paired_bootstrap(first, second, num_samples=300)
    assert found.difference == pytest.approx(first.value - second.value, abs=1e-12)
    assert found.p_value == 1 / 301
    same = paired_bootstrap(first, auc_of_users(labels, good * 7 - 1, users), num_samples=300)
    assert (same.difference, same.p_value) == (0, 1)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: paired_test([1.0], [1.0], "wilcoxn"), r"`test` .* Did you mean 'wilcoxon'\?"),
        (lambda: paired_test([1.0, 2.0], [1.0]), r"`second` must be measured on the users"),
        (lambda: paired_t([1.0, 2.0], [1.0]), r"received \(1,\)"),
        (lambda: paired_t([1.0, 2.0], [1.0, 1.0], 1.0), r"`level` must lie between 0 and 1"),
        (
            lambda: paired_bootstrap(mean_of_users([1.0, NAN]), mean_of_users([NAN, 1.0])),
            r"`second` must be measured on the users of `first`, received 1 and 1 users",
        ),
    ],
)
def test_wrong_argument_is_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
