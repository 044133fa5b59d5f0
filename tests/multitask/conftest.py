"""The plain NumPy twins that the blocks are held against, and what they take."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import keras
import numpy as np
import pytest
from keras import ops


@pytest.fixture(scope="session")
def twin(load_reference) -> ModuleType:
    return load_reference("blocks")


@pytest.fixture(scope="session")
def twins(load_reference) -> ModuleType:
    return load_reference("multitask")


@pytest.fixture
def check(rng) -> Callable[..., None]:
    """Returns a function that holds a block with random weights against `[T][B, H]`."""

    def holds(block, width, expected):
        x = rng.normal(size=(5, width)).astype("float32")
        block(x)
        for each in block.weights:
            each.assign(rng.normal(size=each.shape) * 0.7)
        found = block(x)
        for name, wanted in zip(block.task_names, expected(x), strict=True):
            np.testing.assert_allclose(
                ops.convert_to_numpy(found[name]), wanted, rtol=1e-4, atol=1e-4
            )

    return holds


@pytest.fixture
def experts_of() -> Callable[..., list[list[np.ndarray]]]:
    """Returns a function: Experts -> each expert's `[kernel, bias, ...]`."""

    def plain(experts):
        count, units = experts.num_experts, experts.hidden_dims[0]
        first, *others = (ops.convert_to_numpy(each) for each in experts.kernels)
        if first.shape == (first.shape[0], count, units):
            kernels = [[first[:, e] for e in range(count)]]
        else:
            per_group = count // len(first)
            blocks = [np.split(group, per_group, axis=1) for group in first]
            kernels = [[kernel for block in blocks for kernel in block]]
        kernels += others
        biases = [ops.convert_to_numpy(each) for each in experts.biases]
        return [
            [part[e] for pair in zip(kernels, biases, strict=True) for part in pair]
            for e in range(count)
        ]

    return plain


@pytest.fixture
def gates_of() -> Callable[..., list[tuple[np.ndarray, np.ndarray]]]:
    """Returns a function: SoftmaxGates -> each gate's `(kernel, bias)`."""

    def plain(gates):
        kernel, bias = (ops.convert_to_numpy(each) for each in (gates.kernel, gates.bias))
        if kernel.ndim == 2:
            kernel = np.stack(np.split(kernel, gates.num_gates, axis=1))
        return list(zip(kernel, bias.reshape(gates.num_gates, -1), strict=True))

    return plain


@pytest.fixture
def gradient() -> Callable[..., np.ndarray]:
    """Returns a function: block, input, task -> gradient of the task's outputs by the input."""

    def of_input(block, x, task):
        tf = pytest.importorskip("tensorflow")
        if keras.backend.backend() != "tensorflow":
            pytest.skip("takes gradients with TensorFlow")
        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(block(x)[task])
        return tape.gradient(total, x).numpy()

    return of_input
