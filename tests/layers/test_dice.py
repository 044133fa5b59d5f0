"""The rectifier whose bend follows the data."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.layers import Dice


@pytest.mark.parametrize("wrap", [lambda each: each, tf.function], ids=["eager", "graph"])
def test_batch_without_an_event_moves_no_moment(wrap):
    dice = Dice()
    rng = np.random.default_rng(2)
    events, is_valid = rng.normal(5, 2, (8, 4, 3)).astype("float32"), np.ones([8, 4], bool)
    call = wrap(lambda x, mask: dice(x, mask, training=True))
    call(events, is_valid)
    moments = dice.norm.moving_mean, dice.norm.moving_variance
    before = [np.array(each) for each in moments]
    # After one batch a hundredth of its mean, which Keras's momentum of 0.99 lets in.
    np.testing.assert_allclose(before[0], 0.01 * events.mean(axis=(0, 1)), rtol=1e-4)
    call(events, ~is_valid)
    for moment, old in zip(moments, before, strict=True):
        np.testing.assert_array_equal(moment, old)


def test_batch_that_is_not_finite_moves_no_moment():
    dice, is_valid = Dice(), np.ones([2, 4], bool)
    events = np.arange(24, dtype="float32").reshape(2, 4, 3)
    dice(events, is_valid, training=True)
    before = [np.array(each) for each in dice.norm.weights]
    events[0, 0, 1] = np.inf
    dice(events, is_valid, training=True)
    for moment, old in zip(dice.norm.weights, before, strict=True):
        assert np.isfinite(moment).all()
        np.testing.assert_array_equal(np.array(moment)[1], old[1])
