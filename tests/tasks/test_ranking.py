"""The ranking task averages over the rows that have a label."""

import math

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.tasks import RankingTask


def test_mean_over_labelled_rows():
    loss = RankingTask("regression").loss([4.0, math.nan, 1.0], [3.0, 9.0, 3.0], [1.0, 1.0, 1.0])
    assert float(loss) == pytest.approx((1 + 4) / 2)


def test_sample_weight_weighs_rows():
    loss = RankingTask("regression").loss([4.0, 1.0], [3.0, 3.0], [3.0, 1.0])
    assert float(loss) == pytest.approx((3 * 1 + 4) / 4)


def test_masked_row_gets_no_gradient():
    logits = tf.Variable([0.5, 2.0])
    with tf.GradientTape() as tape:
        loss = RankingTask("binary").loss([1.0, math.nan], logits, [1.0, 1.0])
    gradient = tape.gradient(loss, logits).numpy()
    assert gradient[0] == pytest.approx(1 / (1 + math.exp(-0.5)) - 1)
    assert gradient[1] == 0


def test_all_labels_missing_is_loss_zero_with_finite_gradient():
    logits = tf.Variable([0.5, 2.0])
    with tf.GradientTape() as tape:
        loss = RankingTask("binary").loss([math.nan, math.nan], logits, [1.0, 1.0])
    assert float(loss) == 0
    np.testing.assert_array_equal(tape.gradient(loss, logits), [0, 0])


def test_multiclass_ignores_the_missing_class():
    loss = RankingTask("multiclass").loss(np.array([1, -1]), [[0.0, 0.0], [9.0, 0.0]], [1.0, 1.0])
    assert float(loss) == pytest.approx(math.log(2), rel=1e-6)
