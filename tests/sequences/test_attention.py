import numpy as np
import pytest
from keras import ops

from recsys_tf.sequences import HSTU, BERT4Rec, SASRec

TIMES = 1_700_000_000 + np.cumsum(2 ** np.arange(42).reshape(6, 7) % 7919, axis=1)


@pytest.mark.parametrize("num_heads", [1, 2])
def test_sasrec_equals_the_twin(twin, rows, draw_weights, num_heads):
    layer = SASRec(max_length=7, num_layers=2, num_heads=num_heads, hidden_dim=5)
    layer(*rows)
    weights = draw_weights(layer)
    wanted = twin.by_row(*rows, lambda row: twin.sasrec(row, weights, 2, num_heads))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*rows)), wanted, rtol=1e-4, atol=1e-4)


def test_bert4rec_equals_the_twin(twin, rows, draw_weights):
    layer = BERT4Rec(max_length=7, num_layers=1, activation="relu")
    layer(*rows)
    weights = draw_weights(layer)
    wanted = twin.by_row(*rows, lambda row: twin.sasrec(row, weights, 1, 2, is_causal=False))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*rows)), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_heads", [1, 2])
def test_hstu_equals_the_twin(twin, rows, draw_weights, num_heads):
    # Its table is shorter than the rows: the farthest events share a bias.
    layer = HSTU(max_length=3, num_layers=2, num_heads=num_heads)
    layer(*rows)
    weights = draw_weights(layer)
    wanted = twin.by_row(*rows, lambda row: twin.hstu(row, None, weights, 2, num_heads))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*rows)), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_hstu_with_times_equals_the_twin(twin, rows, draw_weights, dtype):
    layer, times = HSTU(num_layers=1, has_times=True), TIMES.astype(dtype)
    layer(*rows, times)
    weights = draw_weights(layer)
    wanted = np.zeros(rows[0].shape)
    for row in range(len(wanted)):
        events, is_valid = rows[0][row], rows[1][row]
        if is_valid.any():
            seconds = TIMES[row][is_valid]
            kept = events[is_valid].astype("float64")
            wanted[row][is_valid] = twin.hstu(kept, seconds, weights, 1, 1)
    found = ops.convert_to_numpy(layer(*rows, times))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("apart", "bucket"), [(0, 0), (1, 0), (2, 1), (3, 1), (8, 3), (2**29, 29), (2**29 - 2**16, 28)]
)
def test_times_are_told_apart_by_powers_of_two(apart, bucket):
    buckets = HSTU(has_times=True)._time_buckets(np.array([[5, 5 + apart]]))
    np.testing.assert_array_equal(ops.convert_to_numpy(buckets)[0], [[0, bucket], [bucket, 0]])


def test_times_are_given_where_they_are_expected(rows):
    with pytest.raises(ValueError, match="`times` must be given exactly where `has_times` is true"):
        HSTU()(*rows, TIMES)
    with pytest.raises(ValueError, match="`times` must be given exactly where `has_times` is true"):
        HSTU(has_times=True)(*rows)
    with pytest.raises(TypeError, match="`times` must be integers, whole seconds, received .*flo"):
        HSTU(has_times=True)(*rows, TIMES.astype("float32"))


def test_heads_of_hstu_divide_the_width(rows):
    with pytest.raises(ValueError, match="`num_heads` must divide the width of the events, .* 3"):
        HSTU(num_heads=3)(*rows)


def test_newest_events_of_a_longer_row_keep_positions_of_their_own(rng):
    layer = SASRec(max_length=3, num_layers=1)
    event = rng.normal(size=4).astype("float32")
    events, is_valid = np.tile(event, (1, 5, 1)), np.ones([1, 5], bool)
    layer(events, is_valid)
    table = rng.normal(size=(3, 4)).astype("float32")
    layer.positions.table.assign(table)
    found = ops.convert_to_numpy(layer.positions(events, is_valid))[0]
    np.testing.assert_allclose(found, event + table[[0, 0, 0, 1, 2]], rtol=1e-6)
    # Of four events among five places the newest stand at 1 and 2.
    is_valid[0, 4] = False
    found = ops.convert_to_numpy(layer.positions(events, is_valid))[0, :4]
    np.testing.assert_allclose(found, event + table[[0, 0, 1, 2]], rtol=1e-6)


def test_row_that_fits_the_table_has_the_same_positions_in_a_longer_batch(rng):
    layer = SASRec(max_length=3, num_layers=1)
    events = rng.normal(size=(1, 5, 4)).astype("float32")
    is_valid = np.array([[True, True, True, False, False]])
    wanted = ops.convert_to_numpy(layer(events[:, :3], is_valid[:, :3]))
    found = ops.convert_to_numpy(layer(events, is_valid))[:, :3]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 3}, "`num_heads` must divide the width of the events, received 3 .* 4"),
        ({"max_length": 0}, "`max_length` must be an integer of at least 1, received 0"),
        ({"num_layers": 0}, "`num_layers` must be an integer of at least 1, received 0"),
        ({"hidden_dim": 0}, "`hidden_dim` must be an integer of at least 1, received 0"),
        ({"dropout": 1.0}, "`dropout` must be a number from 0 to below 1, received 1.0"),
        ({"attention_dropout": -1}, "`attention_dropout` must be a number from 0 .* received -1"),
    ],
)
def test_wrong_options_are_refused(rows, options, message):
    with pytest.raises(ValueError, match=message):
        SASRec(**options)(*rows)
