import numpy as np
import pytest
from keras import ops

from recsys_tf.sequences import GRU4Rec


@pytest.mark.parametrize("num_layers", [1, 2])
def test_gru_equals_the_twin(twin, rows, draw_weights, num_layers):
    layer = GRU4Rec(num_layers)
    layer(*rows)
    w = draw_weights(layer)

    def encode(row):
        for index in range(num_layers):
            row = twin.gru(
                row, w[f"kernel_{index}"], w[f"recurrent_kernel_{index}"], w[f"bias_{index}"]
            )
        return row

    found = ops.convert_to_numpy(layer(*rows))
    np.testing.assert_allclose(found, twin.by_row(*rows, encode), rtol=1e-4, atol=1e-5)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="`num_layers` must be an integer of at least 1"):
        GRU4Rec(num_layers=0)
    with pytest.raises(ValueError, match="`dropout` must be a number from 0 to below 1"):
        GRU4Rec(dropout=1.0)
