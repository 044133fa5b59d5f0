import math

import numpy as np
import pytest

from recsys_tf.metrics import UndefinedMetricWarning, auc, by_slice, coverage, mae


def test_each_slice_has_the_metric_of_its_own_rows():
    rng = np.random.default_rng(0)
    slices = rng.choice(["app", "web", "tv"], size=300)
    labels, scores, weights = rng.integers(0, 2, 300), rng.random(300), rng.random(300)
    found = by_slice(auc, slices, labels, scores, weights)
    assert list(found) == ["app", "tv", "web"]
    for name, value in found.items():
        rows = slices == name
        assert value == auc(labels[rows], scores[rows], weights[rows])


def test_absent_weights_are_passed_on():
    assert by_slice(mae, [0, 0, 1], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0], None) == {"0": 0.5, "1": 2.0}


def test_slice_of_one_class_is_nan_and_the_others_stand():
    with pytest.warns(UndefinedMetricWarning, match="every label is 1"):
        found = by_slice(auc, ["a", "a", "b"], [0, 1, 1], [0.1, 0.2, 0.3])
    assert found["a"] == 1.0
    assert math.isnan(found["b"])


def test_small_slices_are_left_out_on_request():
    assert by_slice(mae, ["a", "a", "b"], [1.0] * 3, [1.0] * 3, min_rows=2) == {"a": 0.0}


def test_rows_of_a_matrix_stay_whole():
    found = by_slice(lambda rows: float(rows[:, 1].sum()), [1, 0, 1], np.arange(6).reshape(3, 2))
    assert found == {"0": 3.0, "1": 6.0}


def test_column_of_another_length_is_an_error():
    with pytest.raises(ValueError, match=r"each of the 2 rows .* received 3 rows at position 1"):
        by_slice(mae, ["a", "b"], [1.0, 2.0], [1.0, 2.0, 3.0])


def test_coverage_counts_each_item_once_and_no_empty_place():
    assert coverage(np.array([[0, 1], [1, -1]]), 8) == 2 / 8


def test_coverage_of_an_item_outside_of_the_catalogue_is_an_error():
    with pytest.raises(ValueError, match=r"below `num_items` \(2\), received 2"):
        coverage(np.array([[2]]), 2)


def test_coverage_of_no_catalogue_is_an_error():
    with pytest.raises(ValueError, match=r"`num_items` must be at least 1, received 0"):
        coverage(np.array([[0]]), 0)
