"""The NumPy twins, torchjd's recorded answers, and Gram matrices by hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest

REFERENCE = Path(__file__).parent.parent / "reference"


@pytest.fixture(scope="session")
def twin(load_reference) -> ModuleType:
    return load_reference("weighting")


@pytest.fixture(scope="session")
def torchjd() -> dict:
    return json.loads((REFERENCE / "torchjd.json").read_text(encoding="utf-8"))


@pytest.fixture
def combine():
    """Returns a function: weighting, gradients [T, N] -> the combined gradient, float64 [N]."""

    def combined(weighting, gradients, losses=None):
        gradients = np.asarray(gradients, "float64")
        losses = np.ones(len(gradients)) if losses is None else losses
        weights = weighting.task_weights(gradients @ gradients.T, losses)
        return np.asarray(keras.ops.convert_to_numpy(weights), "float64") @ gradients

    return combined
