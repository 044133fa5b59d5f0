import numpy as np
import pytest
from keras import ops

from recsys_tf.sequences import CNN, Caser


def test_cnn_equals_the_twin(twin, rows, draw_weights):
    layer = CNN(2, kernel_size=2)
    layer(*rows)
    weights = draw_weights(layer)
    wanted = twin.by_row(*rows, lambda row: twin.cnn(row, weights, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*rows)), wanted, rtol=1e-4, atol=1e-4)


def test_cnn_reads_as_far_back_as_it_says(rng):
    layer, is_valid = CNN(2, kernel_size=3), np.ones([1, 40], bool)
    events = rng.normal(size=(1, 40, 4)).astype("float32")
    states = ops.convert_to_numpy(layer(events, is_valid))[0, -1]
    for back, is_read in ((30, True), (31, False)):
        changed = events.copy()
        changed[0, 39 - back] += 1e3
        found = ops.convert_to_numpy(layer(changed, is_valid))[0, -1]
        assert (np.abs(found - states).max() > 1e-6) == is_read


@pytest.mark.parametrize("window", [1, 3])
def test_caser_equals_the_papers_state_of_each_window(twin, rows, draw_weights, window):
    layer = Caser(window, num_horizontal=2, num_vertical=3)
    layer(*rows)
    weights = draw_weights(layer)
    wanted = twin.by_row(*rows, lambda row: twin.caser(row, weights, window))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(*rows)), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "options", "name"),
    [
        (CNN, {"num_layers": 0}, "num_layers"),
        (CNN, {"kernel_size": 0}, "kernel_size"),
        (Caser, {"window": 0}, "window"),
        (Caser, {"num_horizontal": 0}, "num_horizontal"),
        (Caser, {"num_vertical": 0}, "num_vertical"),
    ],
)
def test_sizes_below_one_are_refused(make, options, name):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least 1, received 0"):
        make(**options)
