"""What every sequence encoder keeps besides the contracts of all blocks."""

import keras
import numpy as np
import pytest
from contract_cases import D, L, sequence_encoder
from keras import ops

from recsys_tf.sequences import SEQUENCE_ENCODERS, last_state

GAPS = np.array([0, 1, 1, 0, 0, 1, 0, 1, 0], bool)


@pytest.fixture(scope="module", params=SEQUENCE_ENCODERS)
def encoder(request):
    """One encoder of each name; no test here changes its weights."""
    keras.utils.set_random_seed(3)
    layer = sequence_encoder(request.param)
    layer(np.ones([1, L, D], "float32"), np.ones([1, L], bool))
    for each in layer.trainable_variables:
        # None at 0 or 1, where a part of a block may start without a say.
        each.assign(each + keras.random.normal(each.shape) * 0.2)
    return layer


def states(encoder, events, is_valid):
    return ops.convert_to_numpy(encoder(events.astype("float32"), is_valid))


def test_padding_anywhere_changes_nothing(encoder, rng):
    row = rng.normal(size=(1, GAPS.sum(), D))
    events = rng.normal(size=(1, len(GAPS), D)) * 1e3
    events[:, GAPS] = row
    events[0, 0] = np.nan
    wanted = states(encoder, row, np.ones([1, GAPS.sum()], bool))
    found = states(encoder, events, GAPS[None])
    np.testing.assert_allclose(found[:, GAPS], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[:, ~GAPS], 0)


def test_gaps_of_one_row_leave_the_other_rows_alone(encoder, rng):
    events = rng.normal(size=(2, len(GAPS), D))
    full = np.ones([1, len(GAPS)], bool)
    found = states(encoder, events, np.concatenate([full, GAPS[None]]))
    wanted = states(encoder, events[:1], full)
    np.testing.assert_allclose(found[:1], wanted, rtol=1e-4, atol=1e-5)


def test_later_event_changes_an_earlier_state_only_of_one_that_reads_both_ways(encoder, rng):
    before = rng.normal(size=(1, L, D))
    after = before.copy()
    after[:, 3:] = rng.normal(size=(1, L - 3, D))
    is_valid = np.ones([1, L], bool)
    first, second = (states(encoder, each, is_valid) for each in (before, after))
    assert np.abs(first[:, 3:] - second[:, 3:]).max() > 1e-3
    if encoder.is_causal:
        np.testing.assert_allclose(first[:, :3], second[:, :3], rtol=1e-5, atol=1e-6)
        is_valid[:, 3:] = False  # Nor does it matter whether there is one.
        np.testing.assert_allclose(
            states(encoder, before, is_valid)[:, :3], first[:, :3], rtol=1e-5, atol=1e-6
        )
    else:
        assert np.abs(first[:, :3] - second[:, :3]).max() > 1e-3


def test_order_of_the_events_counts(encoder, rng):
    events, is_valid = rng.normal(size=(1, 3, D)), np.ones([1, 3], bool)
    first = states(encoder, events, is_valid)[:, -1]
    second = states(encoder, events[:, [1, 0, 2]], is_valid)[:, -1]
    assert np.abs(first - second).max() > 1e-4


def test_empty_history_is_zero_with_finite_gradients(encoder, gradients):
    events, is_valid = np.zeros([2, L, D]), np.zeros([2, L], bool)
    np.testing.assert_array_equal(states(encoder, events, is_valid), 0)
    for path, found in gradients(encoder, (events.astype("float32"), is_valid)).items():
        assert found is None or np.all(np.isfinite(found)), path


def test_row_of_one_event_may_be_the_whole_batch(encoder, rng):
    event = rng.normal(size=(1, 1, D))
    found = states(encoder, event, np.ones([1, 1], bool))
    longer = np.concatenate([event, rng.normal(size=(1, 2, D))], axis=1)
    wanted = states(encoder, longer, np.array([[True, False, False]]))[:, :1]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_rows_longer_than_any_table_have_states(encoder, rng):
    found = states(encoder, rng.normal(size=(2, 3 * L, D)), np.ones([2, 3 * L], bool))
    assert np.all(np.isfinite(found))
    assert np.abs(np.diff(found, axis=1)).max(axis=2).min() > 0


def test_length_may_be_unknown(encoder, rng):
    inputs = [keras.Input((None, D)), keras.Input((None,), dtype="bool")]
    model = keras.Model(inputs, encoder(*inputs))
    for length in (1, L, 2 * L):
        events = rng.normal(size=(2, length, D)).astype("float32")
        is_valid = rng.random((2, length)) < 0.7
        found = ops.convert_to_numpy(model([events, is_valid]))
        wanted = ops.convert_to_numpy(encoder(events, is_valid))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_ids_and_masks_of_another_kind_are_refused(encoder):
    events, is_valid = np.ones([2, L, D], "float32"), np.ones([2, L], bool)
    with pytest.raises(TypeError, match="`events` must be floats, received dtype int"):
        encoder(events.astype("int64"), is_valid)
    with pytest.raises(TypeError, match="`is_valid` must be of dtype bool, received float32"):
        encoder(events, is_valid.astype("float32"))


def test_wrong_ranks_are_refused(encoder):
    fresh = type(encoder).from_config(encoder.get_config())
    with pytest.raises(ValueError, match="`events` must have rank 3, received rank 2"):
        fresh.build((None, D), (None, L))
    with pytest.raises(ValueError, match="`is_valid` must have rank 2, received rank 3"):
        fresh.build((None, L, D), (None, L, 1))


def test_last_state_is_that_of_the_newest_event():
    values = np.arange(12.0).reshape(3, 4, 1).astype("float32")
    is_valid = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]], bool)
    masked = np.where(is_valid[:, :, None], values, 0)
    found = ops.convert_to_numpy(last_state(masked, is_valid))
    np.testing.assert_array_equal(found, [[1.0], [7.0], [0.0]])


def test_half_precision_stays_near_full_precision(encoder, rng, gradients):
    half = type(encoder).from_config({**encoder.get_config(), "dtype": "mixed_float16"})
    events, is_valid = rng.normal(size=(2, L, D)).astype("float32"), np.ones([2, L], bool)
    half(events, is_valid)
    half.set_weights(encoder.get_weights())
    found = ops.convert_to_numpy(half(events, is_valid))
    assert found.dtype == "float16"
    np.testing.assert_allclose(found, states(encoder, events, is_valid), rtol=0.02, atol=0.02)
    for path, gradient in gradients(half, (events, is_valid)).items():
        assert np.all(np.isfinite(gradient)), path
