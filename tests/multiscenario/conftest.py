"""The NumPy twins, and blocks whose weights are all away from where they start."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def twin(load_reference) -> ModuleType:
    return load_reference("multiscenario")


@pytest.fixture
def randomize(rng) -> Callable[[keras.layers.Layer], dict[str, np.ndarray]]:
    """Returns a function that draws all weights of a built layer and returns them by path."""

    def draw(layer: keras.layers.Layer) -> dict[str, np.ndarray]:
        drawn = {}
        for each in layer.weights:
            if each.dtype.startswith("int"):
                continue
            values = 0.5 * rng.normal(size=each.shape)
            if "moving_" in each.path:
                values = 0.5 + rng.random(each.shape)
            each.assign(values)
            drawn[each.path.split("/", 1)[1]] = keras.ops.convert_to_numpy(each).astype("float64")
        return drawn

    return draw
