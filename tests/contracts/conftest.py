"""Runs the contracts over every case, and what their tests ask of one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

# Its neighbours are found by name wherever the tests stand.
sys.path.append(str(Path(__file__).parent))

from contract_cases import CASES
from contract_inputs import FEATURES
from contract_layers import LAYERS


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        has_text = importlib.util.find_spec("keras_nlp") is not None
        marks = [
            pytest.mark.slow,
            pytest.mark.skipif(not has_text, reason="keras-nlp is not installed"),
        ]
        metafunc.parametrize(
            "case",
            [
                pytest.param(case, id=name, marks=marks if name == "encoder text" else [])
                for name, case in CASES.items()
            ],
        )


BUILT: dict[int, keras.layers.Layer] = {}


@pytest.fixture
def layer(case, rng):
    """The case's layer, built from five rows; tests that leave its weights alone share it."""
    if id(case) not in BUILT:
        BUILT[id(case)] = case.make()
        BUILT[id(case)](*case.inputs(rng, 5))
    return BUILT[id(case)]


@pytest.fixture
def covered():
    """Names of the layers and kinds of features that have a case."""
    return {"layers": set(LAYERS), "kinds": set(FEATURES)}


@pytest.fixture
def gradients():
    """Returns a function: layer, inputs -> gradients of a scalar by the variable's path."""
    return _gradients


def _scalar(outputs: Any) -> Any:
    # Not a plain sum, which a softmax's constant sum would make blind.
    return sum(
        keras.ops.sum(keras.ops.square(keras.ops.cast(each, "float32") - 0.3))
        for each in keras.tree.flatten(outputs)
    )


def _gradients(layer: keras.layers.Layer, inputs: tuple[Any, ...]) -> dict[str, np.ndarray | None]:
    variables = layer.trainable_variables
    if not variables:
        return {}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = _scalar(layer(*inputs))
        found = tape.gradient(loss, [each.value for each in variables])
        found = [None if each is None else tf.convert_to_tensor(each) for each in found]
    elif keras.backend.backend() == "jax":
        import jax

        others = [each.value for each in layer.non_trainable_variables]
        found = jax.grad(lambda values: _scalar(layer.stateless_call(values, others, *inputs)[0]))(
            [each.value for each in variables]
        )
    else:
        _scalar(layer(*inputs)).backward()
        found = [each.value.grad for each in variables]
    return {
        variable.path: None if each is None else keras.ops.convert_to_numpy(each)
        for variable, each in zip(variables, found, strict=True)
    }
