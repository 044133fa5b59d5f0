import numpy as np
import pytest
from keras import ops

from recsys_tf.sequences import SASRec


@pytest.mark.parametrize("num_heads", [1, 2])
def test_sasrec_equals_the_twin(twin, rows, draw_weights, num_heads):
    layer = SASRec(max_length=7, num_layers=2, num_heads=num_heads, hidden_dim=5)
    layer(*rows)
    weights = draw_weights(layer)
    wanted = twin.by_row(*rows, lambda row: twin.sasrec(row, weights, 2, num_heads))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*rows)), wanted, rtol=1e-4, atol=1e-4)


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
