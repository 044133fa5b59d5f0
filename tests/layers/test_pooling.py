import numpy as np
import pytest
from keras import ops

from recsys_tf.layers import AttentionPooling, MaskedMeanPooling

EVENTS = np.array([[[2.0, 0.0], [4.0, 6.0], [9.0, 9.0]], [[1.0, 1.0]] * 3], "float32")
IS_VALID = np.array([[True, True, False], [False, False, False]])


@pytest.mark.parametrize(
    ("power", "wanted"), [(1.0, [3.0, 3.0]), (0.5, [6 / 2**0.5, 6 / 2**0.5]), (0.0, [6.0, 6.0])]
)
def test_mean_divides_the_sum_by_a_power_of_the_number(power, wanted):
    found = ops.convert_to_numpy(MaskedMeanPooling(power)(EVENTS, IS_VALID))
    np.testing.assert_allclose(found, [wanted, [0.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("hidden_dim", [None, 8])
def test_attention_starts_as_the_mean(rng, hidden_dim):
    found = ops.convert_to_numpy(AttentionPooling(hidden_dim)(EVENTS, IS_VALID))
    np.testing.assert_allclose(found, [[3.0, 3.0], [0.0, 0.0]], rtol=1e-6)


def test_attention_by_hand():
    layer = AttentionPooling(None)
    layer.build((None, 3, 2), (None, 3))
    layer.set_weights([np.array([np.log(3.0) / 2, 0.0])])
    # Scores log 3 and 2 log 3: weights 3/12 and 9/12.
    found = ops.convert_to_numpy(layer(EVENTS, IS_VALID))
    np.testing.assert_allclose(found, [[3.5, 4.5], [0.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_attention_equals_the_twin(twin, rng, power):
    layer = AttentionPooling(8, length_power=power)
    events = rng.normal(size=(7, 5, 4)).astype("float32")
    is_valid = rng.random((7, 5)) < 0.5
    layer.build(events.shape, is_valid.shape)
    weights = {each.name: rng.normal(size=each.shape).astype("float32") for each in layer.weights}
    layer.set_weights(list(weights.values()))
    found = ops.convert_to_numpy(layer(events, is_valid))
    wanted = twin.attention_pooling(events, is_valid, **weights, length_power=power)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [AttentionPooling, MaskedMeanPooling])
def test_padding_and_order_do_not_count(rng, make):
    layer = make()
    events = rng.normal(size=(1, 5, 4)).astype("float32")
    is_valid = np.array([[True, True, True, False, False]])
    wanted = ops.convert_to_numpy(layer(events, is_valid))
    order = [4, 2, 0, 3, 1]
    changed = events[:, order].copy()
    changed[:, [0, 3]] = 1e6
    found = ops.convert_to_numpy(layer(changed, is_valid[:, order]))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_attention_weights_sum_to_one_or_to_nothing(rng):
    layer = AttentionPooling()
    layer(EVENTS, IS_VALID)
    sums = ops.convert_to_numpy(layer.attention(EVENTS, IS_VALID)).sum(axis=1)
    np.testing.assert_allclose(sums, [1.0, 0.0], rtol=1e-6)


def test_long_history_is_counted_exactly_in_half_precision():
    # 1,001 is no number of bfloat16; the mean of equal vectors must still be that vector.
    layer = MaskedMeanPooling(dtype="mixed_bfloat16")
    found = layer(np.ones([1, 1001, 1], "float32"), np.ones([1, 1001], bool))
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(found, "float32")), [[1.0]], rtol=4e-3)


@pytest.mark.parametrize("make", [AttentionPooling, MaskedMeanPooling])
def test_wrong_arguments_are_refused(make):
    with pytest.raises(ValueError, match="`length_power` must be from 0"):
        make(length_power=2.0)
    with pytest.raises(ValueError, match="`events` must have rank 3, received rank 2"):
        make()(np.ones([2, 3], "float32"), np.ones([2, 3], bool))
