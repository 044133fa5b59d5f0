"""What the tests of the sequence encoders share."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops


@pytest.fixture(scope="session")
def twin(load_reference):
    """The plain NumPy twins that the encoders are held against."""
    return load_reference("sequences")


@pytest.fixture
def draw_weights(rng):
    """Returns a function: layer -> its weights by path below the layer, drawn at random."""

    def draw(layer):
        found = {}
        for each in layer.trainable_variables:
            value = rng.normal(size=each.shape) * 0.5
            each.assign(value)
            found[each.path.split("/", 1)[1]] = ops.convert_to_numpy(each).astype("float64")
        return found

    return draw


@pytest.fixture
def rows(rng):
    """Events and masks of six rows of seven: full, left, gaps, one event, none, right."""
    events = rng.normal(size=(6, 7, 4)).astype("float32")
    is_valid = np.array(
        [
            [1, 1, 1, 1, 1, 1, 1],
            [1, 1, 1, 1, 0, 0, 0],
            [0, 1, 0, 0, 1, 1, 0],
            [0, 0, 1, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 1, 1, 1],
        ],
        dtype=bool,
    )
    return events, is_valid
