import numpy as np
import pytest
from keras import ops

from recsys_tf.target_attention import BST, DIN

IS_VALID = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]], bool)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture
def inputs(rng):
    events = rng.normal(size=(4, 4, 6)).astype("float32")
    return events, IS_VALID, rng.normal(size=(4, 6)).astype("float32")


def draw(layer, rng):
    found = {}
    for each in layer.weights:
        value = rng.normal(size=each.shape) * 0.5
        each.assign(np.abs(value) if "variance" in each.path else value)
        found[each.path.split("/", 1)[1]] = ops.convert_to_numpy(each).astype("float64")
    return found


@pytest.mark.parametrize("is_normalized", [False, True])
def test_din_with_dice_equals_the_twin(twin, inputs, rng, is_normalized):
    layer = DIN((5, 3), is_normalized=is_normalized)
    layer(*inputs)
    w = draw(layer, rng)

    def dice(index, x):
        mean, variance = (w[f"dice_{index}/norm/moving_{each}"] for each in ("mean", "variance"))
        share = sigmoid((x - mean) / np.sqrt(variance + 1e-6))
        return share * x + (1 - share) * w[f"dice_{index}/alpha"] * x

    wanted = twin.din(*inputs, w, dice, is_normalized)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*inputs)), wanted, rtol=1e-4, atol=1e-5)


def test_din_with_prelu_equals_the_twin(twin, inputs, rng):
    layer = DIN((5,), "prelu")
    layer(*inputs)
    w = draw(layer, rng)
    wanted = twin.din(*inputs, w, lambda _, x: np.where(x > 0, x, w["prelu_0/alpha"][0] * x))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*inputs)), wanted, rtol=1e-4, atol=1e-5)


def test_history_twice_as_long_weighs_twice_in_din(inputs):
    layer = DIN()
    once = ops.convert_to_numpy(layer(*inputs))
    events, is_valid, target = inputs
    twice = layer(np.tile(events, (1, 2, 1)), np.tile(is_valid, (1, 2)), target)
    np.testing.assert_allclose(ops.convert_to_numpy(twice), 2 * once, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("num_layers", "max_length"), [(1, 200), (2, 2)])
def test_bst_equals_the_twin(twin, inputs, rng, num_layers, max_length):
    layer = BST(max_length, num_layers, hidden_dim=5, activation="relu")
    layer(*inputs)
    w = draw(layer, rng)
    wanted = twin.bst(*inputs, w, num_layers, 2)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*inputs)), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [BST, DIN])
@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_nothing(inputs, rng, make, training):
    layer = make(dropout=0.0) if make is BST else make()
    events, is_valid, target = inputs
    wanted = ops.convert_to_numpy(layer(events, is_valid, target, training=training))
    changed = np.where(is_valid[:, :, None], events, np.nan).astype("float32")
    changed = np.concatenate([changed, np.full_like(changed, 1e3)], axis=1)
    is_valid = np.concatenate([is_valid, np.zeros_like(is_valid)], axis=1)
    found = ops.convert_to_numpy(layer(changed, is_valid, target, training=training))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_empty_history_is_zero_in_din_and_the_targets_own_in_bst(inputs):
    events, is_valid, target = inputs
    np.testing.assert_array_equal(ops.convert_to_numpy(DIN()(*inputs))[3], 0)
    layer = BST()
    found = ops.convert_to_numpy(layer(*inputs))[3]
    assert np.abs(found).max() > 0
    alone = layer(events[3:, :1], is_valid[3:, :1], target[3:])
    np.testing.assert_allclose(ops.convert_to_numpy(alone)[0], found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [BST, DIN])
def test_wrong_inputs_are_refused(inputs, make):
    events, is_valid, target = inputs
    with pytest.raises(ValueError, match="`target` must be as wide as the events, 6, received"):
        make()(events, is_valid, target[:, :5])
    with pytest.raises(ValueError, match="`target` must have rank 2, received rank 3"):
        make()(events, is_valid, events)
    with pytest.raises(TypeError, match="`is_valid` must be of dtype bool, received int64"):
        make()(events, is_valid.astype("int64"), target)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DIN(()), r"`hidden_dims` must hold at least one width, received \(\)"),
        (lambda: DIN((0,)), "`hidden_dims` must be an integer of at least 1, received 0"),
        (lambda: DIN(activation="relu"), "`activation` must be one of 'dice', 'prelu', .*'relu'"),
        (lambda: BST(max_length=0), "`max_length` must be an integer of at least 1, received 0"),
        (lambda: BST(num_layers=0), "`num_layers` must be an integer of at least 1, received 0"),
        (lambda: BST(dropout=1.5), "`dropout` must be a number from 0 to below 1, received 1.5"),
    ],
)
def test_wrong_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
