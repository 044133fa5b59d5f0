"""The plain NumPy twins that the crosses are held against."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from keras import ops


@pytest.fixture(scope="session")
def twin(load_reference) -> ModuleType:
    return load_reference("crosses")


@pytest.fixture
def fields(rng) -> np.ndarray:
    """Five rows of four fields of width three."""
    return rng.normal(size=(5, 4, 3)).astype("float32")


@pytest.fixture
def randomize(rng):
    """Returns a function that gives a built block random weights, biases and gates too."""

    def assign(block):
        for each in block.weights:
            each.assign(rng.normal(size=each.shape) / 2)

    return assign


@pytest.fixture
def run():
    """Returns a function that calls a block and gives a NumPy array."""
    return lambda block, *inputs: ops.convert_to_numpy(block(*inputs))
