"""Rows of numbers that were measured over seeds."""

import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def trials(load_script):
    return load_script("trials")


def test_spread_is_the_deviation_of_a_sample(trials):
    # Mean 2, squares 1 + 0 + 1 over n - 1 = 2.
    row = trials.mean_row("a", [1.0, 2.0, 3.0], "")
    assert (row.value, row.spread) == (2.0, 1.0)


def test_one_seed_tells_of_no_spread(trials):
    assert trials.mean_row("a", [0.5], "").spread is None
