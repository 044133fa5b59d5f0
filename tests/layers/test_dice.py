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
