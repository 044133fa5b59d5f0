"""The fixed weighting is a weighted sum and refuses weights without meaning."""

import keras
import pytest

from recsys_tf.weighting import WEIGHTINGS, FixedWeighting


def test_sum_of_weighted_losses():
    weighting = WEIGHTINGS["fixed"]({"click": 2.0, "rating": 0.5})
    assert weighting({"click": 3.0, "rating": 4.0}) == 8.0


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weight_that_is_not_finite_and_positive_is_refused(weight):
    with pytest.raises(ValueError, match=r"`weights\['click'\]` must be a finite number above 0"):
        FixedWeighting({"click": weight})


def test_task_without_weight_is_named():
    with pytest.raises(ValueError, match="received 'ratin'. Did you mean 'rating'"):
        FixedWeighting({"rating": 1.0})({"ratin": 1.0})


def test_serialization_round_trip():
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(FixedWeighting({"click": 2.0}))
    )
    assert again.weights == {"click": 2.0}
