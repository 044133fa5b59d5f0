"""Large variables may lie on large pages, and hold what they held."""

import numpy as np
import tensorflow as tf

from recsys_tf.optimizers.huge_pages import use_huge_pages


def test_values_stay_and_small_variables_are_left_alone():
    large, small = tf.Variable(tf.range(5_000_000.0)), tf.Variable([1.0])
    # None where the system refuses.
    assert use_huge_pages([large, small]) in (0, *range(2**24, 20_000_001))
    np.testing.assert_array_equal(large, np.arange(5_000_000, dtype="float32"))
    assert use_huge_pages([small]) == 0
