import numpy as np
import pytest
from keras import ops

from recsys_tf.layers import DenseStack
from recsys_tf.multitask import AITM

STEPS = ["click", "cart", "buy"]


def test_transfer_by_hand():
    block = AITM(["click", "buy"], expert_dim=1)
    block.build((None, 1))
    block.towers.set_weights([np.array([[[2.0], [1.0]]]), np.zeros([2, 1])])
    block.transfers[0].set_weights([np.array([[1.0]]), np.array([1.0])])
    # h1 doubles; h2 h3 is log(3) for p = 3 and 0 for q = 1.
    kernels = np.array([[[2.0], [np.log(3.0) / 2], [0.0]]])
    biases = np.array([[0.0], [-np.log(3.0) / 2], [1.0]])
    block.projections[0].set_weights([kernels, biases])
    found = block(np.ones([1, 1], "float32"))
    # Weights 3/4 and 1/4 of h1(3) = 6 and h1(1) = 2.
    np.testing.assert_allclose(ops.convert_to_numpy(found["click"]), [[2.0]], rtol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(found["buy"]), [[5.0]], rtol=1e-6)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("tasks", [STEPS, ["click"]])
def test_aitm_equals_the_twin(twins, check, experts_of, num_layers, tasks):
    block = AITM(tasks, expert_dim=4, num_layers=num_layers)
    check(
        block,
        5,
        lambda x: twins.aitm(
            x,
            experts_of(block.towers),
            [each.get_weights() for each in block.transfers],
            [experts_of(each) for each in block.projections],
        ),
    )


@pytest.mark.parametrize(("changed", "moved"), [(0, STEPS), (1, STEPS[1:]), (2, STEPS[2:])])
def test_information_goes_to_later_steps_only(rng, changed, moved):
    block = AITM(STEPS, expert_dim=4)
    x = rng.normal(size=(5, 3)).astype("float32")
    before = {name: ops.convert_to_numpy(each) for name, each in block(x).items()}
    bias = np.zeros([3, 4])
    bias[changed] = 3.0
    block.towers.biases[0].assign(bias)
    after = block(x)
    assert moved == [
        name for name in STEPS if np.any(ops.convert_to_numpy(after[name]) != before[name])
    ]


def test_one_task_is_a_plain_tower(rng, experts_of):
    block, stack = AITM(["click"], 4, num_layers=2), DenseStack((4, 4))
    x = rng.normal(size=(5, 3)).astype("float32")
    found = ops.convert_to_numpy(block(x)["click"])
    stack.build(x.shape)
    stack.set_weights(experts_of(block.towers)[0])
    np.testing.assert_allclose(found, ops.convert_to_numpy(stack(x)), rtol=1e-5, atol=1e-6)
    assert len(block.weights) == len(stack.weights)


def test_steps_of_other_tasks_are_refused():
    assert AITM(["buy", "click"], 4, steps=["click", "buy"]).task_names == ("click", "buy")
    with pytest.raises(ValueError, match="`steps` must hold each of the tasks 'buy', 'click' once"):
        AITM(["buy", "click"], 4, steps=["click"])
