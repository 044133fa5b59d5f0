"""The losses of single rows equal their closed forms."""

import math

import numpy as np
import pytest
from keras import ops

from recsys_tf.losses import (
    binary_crossentropy,
    masked_mean,
    multiclass_crossentropy,
    multilabel_crossentropy,
    present_labels,
    squared_error,
)


def test_squared_error_of_each_row():
    np.testing.assert_allclose(squared_error([1.0, 4.0], [3.0, 4.5]), [4.0, 0.25])


def test_binary_crossentropy_at_zero_logit_is_log_two():
    np.testing.assert_allclose(binary_crossentropy([0.0, 1.0], [0.0, 0.0]), [math.log(2)] * 2)


def test_binary_crossentropy_stays_finite_at_extreme_logits():
    np.testing.assert_allclose(binary_crossentropy([1.0, 0.0], [-500.0, -500.0]), [500.0, 0.0])


def test_multiclass_crossentropy_of_equal_logits_is_log_of_the_number_of_classes():
    np.testing.assert_allclose(
        multiclass_crossentropy([0, 2], np.zeros((2, 3), "float32")), [math.log(3)] * 2, rtol=1e-6
    )


def test_multilabel_crossentropy_is_the_mean_over_labels():
    labels = np.array([[1.0, 0.0]], "float32")
    logits = np.array([[0.0, math.log(3)]], "float32")
    expected = (math.log(2) + math.log(4)) / 2
    np.testing.assert_allclose(multilabel_crossentropy(labels, logits), [expected], rtol=1e-6)


def test_missing_float_labels_become_zero_with_mask_zero():
    labels, mask = present_labels(np.array([2.0, np.nan], "float32"))
    np.testing.assert_array_equal(labels, [2.0, 0.0])
    np.testing.assert_array_equal(mask, [1.0, 0.0])


def test_negative_class_is_missing():
    labels, mask = present_labels(np.array([1, -1]))
    np.testing.assert_array_equal(labels, [1, 0])
    np.testing.assert_array_equal(mask, [1.0, 0.0])


def test_a_row_of_labels_with_one_missing_is_missing():
    _, mask = present_labels(np.array([[1.0, np.nan], [0.0, 1.0]], "float32"))
    np.testing.assert_array_equal(mask, [0.0, 1.0])


def test_masked_mean_divides_by_the_weights():
    assert float(masked_mean([2.0, 4.0, 9.0], [1.0, 3.0, 0.0])) == pytest.approx(3.5)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_row_left_out_does_not_spread_its_overflow(value):
    assert float(masked_mean([2.0, value], [1.0, 0.0])) == 2.0


def test_masked_mean_of_nothing_is_zero():
    assert float(masked_mean(ops.zeros((0,)), ops.zeros((0,)))) == 0.0
    assert float(masked_mean([3.0], [0.0])) == 0.0
