"""What every sequence encoder keeps besides the contracts of all blocks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract_cases import sequence_encoder
from contract_inputs import D, L
from keras import ops

from recsys_tf.sequences import SEQUENCE_ENCODERS, last_state

# Of the three sequences of a packed row.
LENGTHS = (4, 1, 3)
BORDERS = np.cumsum(LENGTHS)[:-1]
GAPS = np.array([0, 1, 1, 0, 0, 1, 0, 1, 0], bool)


def drawn(name):
    """The encoder of a name, its weights drawn; no test here changes them."""
    keras.utils.set_random_seed(3)
    layer = sequence_encoder(name)
    layer(np.ones([1, L, D], "float32"), np.ones([1, L], bool))
    for each in layer.trainable_variables:
        # None at 0 or 1, where a part of a block may start without a say.
        each.assign(each + keras.random.normal(each.shape) * 0.2)
    return layer


@pytest.fixture(scope="module", params=SEQUENCE_ENCODERS)
def encoder(request):
    """One encoder of each name."""
    return drawn(request.param)


@pytest.fixture(
    scope="module",
    params=[name for name, block in SEQUENCE_ENCODERS.items() if block.is_packable],
)
def packable(request):
    """Each one that can keep the sequences of a row apart."""
    return drawn(request.param)


def states(encoder, events, is_valid):
    return ops.convert_to_numpy(encoder(events.astype("float32"), is_valid))


@pytest.fixture
def packed(rng):
    """A row of three sequences and a row of one, with padding behind: events, mask, positions."""
    positions = np.zeros([2, sum(LENGTHS) + 1], "int32")
    positions[0, :-1] = np.concatenate([np.arange(length) for length in LENGTHS])
    positions[1, : LENGTHS[0]] = np.arange(LENGTHS[0])
    is_valid = np.arange(positions.shape[1]) < [[sum(LENGTHS)], [LENGTHS[0]]]
    positions[~is_valid] = -1  # Anything may stand at padding.
    return rng.normal(size=(*positions.shape, D)).astype("float32"), is_valid, positions


def separate_states(encoder, events):
    """The states of the first row's sequences, each in a row of its own."""
    rows = np.split(events[:1, : sum(LENGTHS)], BORDERS, axis=1)
    found = [states(encoder, row, np.ones(row.shape[:2], bool)) for row in rows]
    return np.concatenate(found, axis=1)


def test_states_of_a_packed_row_are_those_of_its_sequences_alone(packable, packed):
    events, is_valid, positions = packed
    found = ops.convert_to_numpy(packable(events, is_valid, positions=positions))
    wanted = separate_states(packable, events)
    np.testing.assert_allclose(found[:1, :-1], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found[1:], states(packable, events[1:], is_valid[1:]), rtol=1e-4, atol=1e-5
    )
    # Else there would be nothing to be kept apart.
    unaware = states(packable, events[:1], is_valid[:1])[:, BORDERS[0] : -1]
    assert np.abs(unaware - wanted[:, BORDERS[0] :]).max() > 1e-3


def test_packed_rows_may_be_of_any_length_and_have_gaps(packable, packed):
    events, is_valid, positions = packed
    inputs = [
        keras.Input((None, D)),
        keras.Input((None,), dtype="bool"),
        keras.Input((None,), dtype="int32"),
    ]
    model = keras.Model(inputs, packable(inputs[0], inputs[1], positions=inputs[2]))
    twice = [np.repeat(each, 2, axis=1) for each in packed]
    twice[1][:, ::2] = False
    found = ops.convert_to_numpy(model(twice))
    wanted = ops.convert_to_numpy(packable(events, is_valid, positions=positions))
    np.testing.assert_allclose(found[:, 1::2], wanted, rtol=1e-4, atol=1e-5)


def test_no_gradient_flows_over_a_border_of_a_packed_row(packable, packed, rng):
    _, is_valid, positions = (np.repeat(each[:1], 16, axis=0) for each in packed)
    # Many rows: in one of them every unit of a block may be shut.
    variable = keras.Variable(rng.normal(size=(*positions.shape, D)).astype("float32"))
    owners = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    for number in range(len(LENGTHS)):
        with tf.GradientTape() as tape:
            found = packable(ops.convert_to_tensor(variable), is_valid, positions=positions)
            own = tf.boolean_mask(found[:, : len(owners)], owners == number, axis=1)
            total = ops.sum(ops.square(own))
        gradient = ops.convert_to_numpy(tape.gradient(total, variable.value))
        of_events = np.abs(gradient[:, : len(owners)]).max(axis=(0, 2))
        assert (of_events[owners != number] == 0).all()
        assert (of_events[owners == number] > 0).all()


def test_positions_are_refused_where_they_cannot_be_kept_or_are_no_integers(encoder):
    events, is_valid = np.ones([2, L, D], "float32"), np.ones([2, L], bool)
    fault, rule = ValueError, f"`positions` must be None for `{type(encoder).__name__}`"
    if encoder.is_packable:
        fault, rule = TypeError, "`positions` must be integers, received dtype float32"
    with pytest.raises(fault, match=rule):
        encoder(events, is_valid, positions=np.zeros([2, L], "float32"))


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
