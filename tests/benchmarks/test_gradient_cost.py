"""The script of what gradient weightings cost, on times by hand and on a tiny batch."""

import numpy as np
import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def cost(load_script):
    return load_script("gradient_cost")


def test_passes_are_counted_from_the_step_under_fixed_weights(cost):
    seconds = {
        "fixed": np.full(3, 0.05),
        "forward": np.full(3, 0.02),
        "backward": np.full(3, 0.04),
        "pcgrad": np.array([0.07, 0.08, 0.09]),
    }
    *others, passes = cost.rows_of(seconds, num_tasks=2)
    assert [round(each.value) for each in others] == [20, 20, 50]
    assert passes.name == "pcgrad, 2 tasks"
    assert passes.value == pytest.approx(1 + (0.08 - 0.05) / 0.02)
    assert passes.spread == pytest.approx((2.75 - 2.25) / 2)
    assert (passes.bound, passes.holds) == (2.5, True)


def test_every_part_of_a_step_is_timed(cost, monkeypatch):
    monkeypatch.setattr(cost, "NUM_FEATURES", 1)
    seconds = cost.measure(num_tasks=2, batch_size=32, methods=["pcgrad"], num_rounds=2)
    assert list(seconds) == ["fixed", "forward", "backward", "pcgrad"]
    assert all(np.all(each > 0) for each in seconds.values())
    assert [len(each) for each in seconds.values()] == [2, 2, 2, 2]
