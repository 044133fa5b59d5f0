import numpy as np
import pytest
from keras import ops

from recsys_tf.multitask import MMoE, SharedBottom

TASKS = ["click", "buy", "rating"]


def test_mixture_by_hand():
    layer = MMoE(["click"], num_experts=2, expert_dim=1)
    layer.build((None, 1))
    experts = [np.array([[[2.0], [10.0]]]), np.array([[0.0], [1.0]])]
    gates = [np.array([[0.0, np.log(3.0)]]), np.zeros(2)]
    layer.set_weights([*experts, *gates])
    # Experts 2 and 11, weights 1/4 and 3/4.
    found = layer(np.ones([1, 1], "float32"))
    np.testing.assert_allclose(ops.convert_to_numpy(found["click"]), [[8.75]], rtol=1e-6)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("tasks", [TASKS, ["click"]])
def test_mmoe_equals_the_twin(twin, rng, num_layers, tasks):
    layer = MMoE(tasks, num_experts=4, expert_dim=6, num_layers=num_layers)
    x = rng.normal(size=(5, 3)).astype("float32")
    layer(x)
    for each in layer.weights:
        each.assign(rng.normal(size=each.shape))
    found = layer(x)
    kernels = [ops.convert_to_numpy(each) for each in layer.experts.kernels]
    kernels[0] = np.swapaxes(kernels[0], 0, 1)
    biases = [ops.convert_to_numpy(each) for each in layer.experts.biases]
    experts = [
        [part[e] for pair in zip(kernels, biases, strict=True) for part in pair] for e in range(4)
    ]
    gate_kernels = ops.convert_to_numpy(layer.gates.kernel).reshape(3, len(tasks), 4)
    gate_biases = ops.convert_to_numpy(layer.gates.bias).reshape(len(tasks), 4)
    gates = [(gate_kernels[:, t], gate_biases[t]) for t in range(len(tasks))]
    for name, wanted in zip(tasks, twin.mmoe(x, experts, gates), strict=True):
        actual = ops.convert_to_numpy(found[name])
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-4)


def test_one_expert_is_the_shared_bottom(rng):
    mixture, bottom = MMoE(TASKS, 1, 4), SharedBottom(TASKS, 4)
    x = rng.normal(size=(5, 3)).astype("float32")
    mixture.build(x.shape)
    bottom(x)
    kernel, bias = bottom.get_weights()
    mixture.experts.set_weights([kernel[:, None], bias[None]])
    for name in TASKS:
        found, wanted = (ops.convert_to_numpy(each(x)[name]) for each in (mixture, bottom))
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_tasks_may_part_where_their_gates_do(rng):
    layer = MMoE(["a", "b"], 2, 4)
    x = np.abs(rng.normal(size=(5, 3))).astype("float32")
    layer(x)
    layer.gates.bias.assign([50.0, 0.0, 0.0, 50.0])
    experts, found = ops.convert_to_numpy(layer.experts(x)), layer(x)
    np.testing.assert_allclose(ops.convert_to_numpy(found["a"]), experts[:, 0], 1e-5, 1e-9)
    np.testing.assert_allclose(ops.convert_to_numpy(found["b"]), experts[:, 1], 1e-5, 1e-9)


@pytest.mark.filterwarnings("error")
def test_one_expert_warns_of_nothing(rng):
    MMoE(TASKS, 1, 4)(np.ones([2, 3], "float32"))
