"""The weighted sum joins predictions and refuses what it does not know."""

import numpy as np
import pytest

from recsys_tf.score_fusion import WeightedSum


def test_predictions_are_weighed_and_added():
    fusion = WeightedSum({"click": 1.0, "complain": -2.0}, ["click", "complain", "rating"])
    score = fusion({"click": np.array([0.5]), "complain": np.array([0.1]), "rating": None})
    np.testing.assert_allclose(score, [0.3], rtol=1e-6)


def test_unknown_task_is_named():
    with pytest.raises(ValueError, match="Did you mean 'click'"):
        WeightedSum({"clik": 1.0}, ["click"])


def test_no_weight_is_refused():
    with pytest.raises(ValueError, match="at least one of the tasks"):
        WeightedSum({}, ["click"])
