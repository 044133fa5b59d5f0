"""The script of what the full softmax costs, on figures by hand and on tables of its own."""

import numpy as np
import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("softmax_memory")


def test_times_are_medians_and_the_ratio_is_that_of_the_rounds(script):
    seconds = np.array([[0.1, 0.2], [0.2, 0.6], [0.1, 0.4]])
    ours, peer, ratio = script.time_rows(seconds, (10_000, 3_400, 64))
    assert (ours.value, peer.value) == pytest.approx((100, 400))
    assert (ratio.value, ratio.spread) == pytest.approx((3.0, 0.5))
    assert ratio.holds
    assert ratio.name == "times as fast, 10,000 positions, 3,400 items, width 64"


def test_memory_is_held_to_its_bound(script):
    memory, seconds = script.memory_rows({"gb": 1.6, "seconds": 2.0}, 512, 1000)
    assert memory.holds is False
    assert seconds.holds is None


def test_both_steps_compute_the_same(script):
    answers = [script.make_step(5, 4, 3, is_ours)() for is_ours in (True, False)]
    # Both draw the same numbers, from the same seed.
    for ours, expected in zip(*answers, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_softmax_over_a_million_items_keeps_to_its_memory(script):
    assert script.measure_memory(512, 1_000_000, 64)["gb"] <= script.MAX_GB
