"""`recsys-tf profile`, on a model of a few units."""

import json

import pytest

from recsys_tf.cli.profile import _verdict
from recsys_tf.step_profile import StepProfile


def test_the_parts_make_the_whole(call, small_synthetic, small_run):
    asked = call("profile", "--config", small_run, "--rounds", "1", "--json")
    assert asked.exit_code == 0, asked.stderr
    found = json.loads(asked.stdout)
    names = ["forward_ms", "loss_ms", "backward_ms", "update_ms", "whole_ms", "input_ms"]
    assert list(found) == names
    assert found["whole_ms"] == pytest.approx(sum(found[name] for name in names[:4]))
    assert found["whole_ms"] > 0


def test_one_batch_is_refused_with_the_way_out(call, small_synthetic, small_run):
    asked = call("profile", "--config", small_run, "--set", "training.batch_size=5000")
    assert asked.exit_code == 2
    assert "needs two batches of training rows, received 1; lower `training.batch" in asked.stderr
    assert "timing the step" not in asked.stderr


@pytest.mark.parametrize(
    ("input_ms", "expected"),
    [
        (1.0, "An epoch of 200 steps takes about 2.0 s; it is bound by the step."),
        (
            30.0,
            "An epoch of 200 steps takes about 6.0 s; it is bound by the input, which the step "
            "waits for.",
        ),
    ],
)
def test_the_slower_of_step_and_input_decides(input_ms, expected):
    found = StepProfile(forward=1.0, loss=2.0, backward=3.0, update=4.0, input=input_ms)
    assert _verdict(found, 200) == expected
