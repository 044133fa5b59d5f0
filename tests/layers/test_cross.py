import numpy as np
import pytest
from keras import ops

from recsys_tf.layers import CrossLayer


def test_cross_by_hand():
    layer = CrossLayer()
    x0, x = np.array([[1.0, 2.0]], "float32"), np.array([[3.0, 5.0]], "float32")
    layer.build(x0.shape, x.shape)
    layer.set_weights([np.array([[1.0, 0.0], [2.0, 1.0]]), np.array([0.5, -1.0])])
    # x W = [3 + 10, 5]; plus b [13.5, 4]; times x0 [13.5, 8]; plus x.
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x0, x)), [[16.5, 13.0]])


@pytest.mark.parametrize("rank", [None, 2])
def test_cross_equals_the_twin(twin, rng, rank):
    layer = CrossLayer(rank)
    x0, x = rng.normal(size=(2, 6, 5)).astype("float32")
    found = ops.convert_to_numpy(layer(x0, x))
    weights = {each.name: ops.convert_to_numpy(each) for each in layer.weights}
    np.testing.assert_allclose(found, twin.cross(x0, x, **weights), rtol=1e-5, atol=1e-5)


def test_low_rank_has_fewer_weights():
    layer = CrossLayer(2)
    layer.build((None, 10), (None, 10))
    assert layer.count_params() == 2 * 10 * 2 + 10


def test_inputs_of_two_widths_are_refused():
    with pytest.raises(ValueError, match=r"`x` must have the width of `x0` \(3\), received"):
        CrossLayer()(np.ones([2, 3], "float32"), np.ones([2, 4], "float32"))


def test_rank_below_one_is_refused():
    with pytest.raises(ValueError, match="`projection_dim` must be an integer of at least 1"):
        CrossLayer(0)
