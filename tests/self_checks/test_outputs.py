"""Metrics that cannot be true, and metrics that differ."""

import numpy as np
import pytest

from recsys_tf.self_checks import disagreements, exact_auc

NAN = np.nan
LABELS = (np.random.default_rng(2).random(600) < 0.3).astype(float)


@pytest.mark.parametrize(
    ("predictions", "text"),
    [
        (np.full(600, 0.25), "every prediction is 0.25, so that AUC is exactly 0.5"),
        (LABELS, "AUC is exactly 1"),
        (-LABELS, "AUC is exactly 0"),
        (LABELS + np.random.default_rng(7).normal(size=600), None),
    ],
)
def test_auc_that_cannot_be_true_is_named(predictions, text):
    assert exact_auc(LABELS, predictions) == text


def test_ratings_of_one_prediction_are_named_and_few_rows_are_not():
    assert "every prediction is 3" in exact_auc(np.arange(100.0) % 5, np.full(100, 3.0))
    assert exact_auc(np.arange(100.0) % 5, np.arange(100.0)) is None
    assert exact_auc(LABELS[:20], LABELS[:20]) is None


def test_metrics_that_differ_are_named():
    first = {"a_auc": 0.7, "b_auc": 0.7, "c_rmse": 100.0, "d_auc": NAN, "in_one_only": 1.0}
    second = {"a_auc": 0.705, "b_auc": 0.72, "c_rmse": 103.0, "d_auc": 0.5}
    assert disagreements(first, second) == ["b_auc", "c_rmse", "d_auc"]
    assert disagreements({"auc": NAN}, {"auc": NAN}) == []
