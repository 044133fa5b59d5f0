import numpy as np
import pytest
from keras import ops

from recsys_tf.sequences import LSTM, GRU4Rec, LinearRecurrence
from recsys_tf.sequences.linear_recurrence_block import linear_scan


@pytest.mark.parametrize(("make", "name"), [(GRU4Rec, "gru"), (LSTM, "lstm")])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_gated_network_equals_the_twin(twin, rows, draw_weights, make, name, num_layers):
    layer = make(num_layers)
    layer(*rows)
    w = draw_weights(layer)

    def encode(row):
        for index in range(num_layers):
            parts = ("kernel", "recurrent_kernel", "bias")
            row = getattr(twin, name)(
                row, *(w[f"layer_{index}/{name}_cell/{each}"] for each in parts)
            )
        return row

    found = ops.convert_to_numpy(layer(*rows))
    np.testing.assert_allclose(found, twin.by_row(*rows, encode), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hidden_dim", [None, 5])
def test_linear_recurrence_equals_the_twin(twin, rows, draw_weights, hidden_dim):
    layer = LinearRecurrence(2, hidden_dim)
    layer(*rows)
    weights = draw_weights(layer)
    wanted = twin.by_row(*rows, lambda row: twin.linear_recurrence(row, weights, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*rows)), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 33, 260])
def test_scan_by_stretches_equals_the_steps(rng, length):
    decay = rng.uniform(0, 1, (2, length, 3)).astype("float32")
    added = rng.normal(size=(2, length, 3)).astype("float32")
    state, wanted = np.zeros((2, 3)), []
    for place in range(length):
        state = decay[:, place] * state + added[:, place]
        wanted.append(state)
    found = ops.convert_to_numpy(linear_scan(decay, added))
    np.testing.assert_allclose(found, np.stack(wanted, axis=1), rtol=1e-4, atol=1e-5)


def test_memory_of_a_thousand_events_outlives_half_precision():
    # 0.999 is 1 in bfloat16, which would forget nothing; 0.999^1000 is 0.3677.
    layer = LinearRecurrence(dtype="mixed_bfloat16")
    layer.build((None, 1001, 4), (None, 1001))
    decay = ops.convert_to_numpy(layer.blocks[0].decay)
    np.testing.assert_allclose(np.exp(-8 * np.log1p(np.exp(decay[[0, -1]]))), [0.9, 0.999])
    events = np.concatenate([np.ones([1, 1, 1]), np.zeros([1, 1000, 1])], axis=1)
    found = linear_scan(np.full([1, 1001, 1], 0.999, "float32"), events.astype("float32"))
    np.testing.assert_allclose(ops.convert_to_numpy(found)[0, -1, 0], 0.3677, rtol=1e-3)


@pytest.mark.parametrize("make", [GRU4Rec, LSTM, LinearRecurrence])
def test_wrong_options_are_refused(make):
    with pytest.raises(ValueError, match="`num_layers` must be an integer of at least 1"):
        make(num_layers=0)
    with pytest.raises(ValueError, match="`dropout` must be a number from 0 to below 1"):
        make(dropout=1.0)
