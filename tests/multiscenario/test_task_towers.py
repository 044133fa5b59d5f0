"""What every scenario block keeps that works in the tasks' heads too, and PPNet by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from recsys_tf.config import ModelConfig
from recsys_tf.multiscenario import SCENARIO_BLOCKS, MetaTowers, PersonalTowers
from recsys_tf.multitask import MULTITASK_BLOCKS, make_multitask_block

TASKS = ("click", "buy")
TOWERS = {
    name: block.task_towers
    for name, block in SCENARIO_BLOCKS.items()
    if block.task_towers is not None
}
# Missing, unknown, all three known ones, past the table, negative.
SCENARIO = np.array([0, 1, 2, 3, 4, 5, -1, 2, 4])


def arrays(outputs):
    return {name: ops.convert_to_numpy(each) for name, each in outputs.items()}


@pytest.fixture
def rows(rng):
    """Vectors of both tasks, what the multi-task block read, and a prior, of nine rows each."""
    made = [rng.normal(size=(9, width)).astype("float32") for width in (8, 8, 5, 3)]
    return dict(zip(TASKS, made[:2], strict=True)), made[2], made[3]


def given(name, rows, scenario):
    """Returns the inputs, with the prior where the towers read one."""
    of_tasks, x, prior = rows
    scenario = np.full(9, scenario, "int64")
    return (of_tasks, x, scenario, *([prior] if TOWERS[name].reads_prior else []))


def test_meta_towers_by_hand():
    towers = MetaTowers(TASKS, 4, (1,), embedding_dim=1)
    x, scenario = np.array([[3.0]] * 2, "float32"), np.array([1, 2])
    towers(dict.fromkeys(TASKS, x), x, scenario)
    towers.embedding.assign([[2.0], [0.0]])
    for unit, values in zip(towers.units, ((1.0, 0.5), (-2.0, 1.0)), strict=True):
        unit.kernel.assign([[values[0]]])
        unit.kernel_maker.assign([[values[1]]])
        unit.bias_maker.assign([[0.25]])
    found = arrays(towers(dict.fromkeys(TASKS, x), x, scenario))
    # Unknown: 3 * 1 + 3, and a tenth of 3 * -2 + 3. The scenario 2 adds 2 times 0.5 and 1 to the
    # kernels, 0.5 to the biases: of click 3 * 2 + 0.5 + 3, of buy 3 * 0 + 0.5 + 3.
    np.testing.assert_allclose(found["click"], [[6.0], [9.5]], rtol=1e-6)
    np.testing.assert_allclose(found["buy"], [[-0.3], [3.5]], rtol=1e-6)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_meta_towers_equal_the_twin(twin, randomize, rows, num_layers):
    towers = MetaTowers(TASKS, 5, (8,) * num_layers)
    of_tasks, x, _ = rows
    towers(of_tasks, x, SCENARIO)
    wanted = twin.meta_towers(of_tasks, SCENARIO, 5, randomize(towers))
    found = arrays(towers(of_tasks, x, SCENARIO))
    for task in TASKS:
        np.testing.assert_allclose(found[task], wanted[task], rtol=1e-4, atol=1e-4)


def test_meta_towers_refuse_a_prior_and_another_width(rows):
    of_tasks, x, prior = rows
    with pytest.raises(ValueError, match=r"`prior` must be None: .* received shape \(9, 3\)"):
        MetaTowers(TASKS, 5, (8,))(of_tasks, x, SCENARIO, prior)
    with pytest.raises(ValueError, match=r"`hidden_dims` must repeat .*\(8\).*received \[8, 3\]"):
        MetaTowers(TASKS, 5, (8, 3))(of_tasks, x, SCENARIO)


def test_ppnet_by_hand():
    towers = PersonalTowers(TASKS, 4, (2,), embedding_dim=1)
    x, scenario = np.array([[3.0]] * 2, "float32"), np.array([1, 2])
    vectors = {"click": np.array([[1.0]] * 2, "float32"), "buy": np.array([[2.0]] * 2, "float32")}
    towers(vectors, x, scenario)
    gate = towers.gates[0]
    towers.steps[0].kernels[0].assign([[[1.0, 2.0]], [[3.0, -1.0]]])
    towers.embedding.assign([[np.log(3.0)], [0.0]])
    gate.inner.kernel.assign([[1.0, 0.0], [0.0, 0.0]])
    # The first unit of click and the first of buy, with opposite signs; the others stay at 1.
    gate.outer.kernel.assign([[1.0, 0.0, -1.0, 0.0], [0.0] * 4])
    found = arrays(towers(vectors, x, scenario))
    # Unknown: 1 * [1, 2] and 1 * [6, relu(-2)]; scenario 2: factors 2 * 3/4 and 2 * 1/4.
    np.testing.assert_allclose(found["click"], [[1.0, 2.0], [1.5, 2.0]], rtol=1e-6)
    np.testing.assert_allclose(found["buy"], [[6.0, 0.0], [3.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("hidden_dims", [(6,), (6, 3)])
def test_ppnet_equals_the_twin(twin, randomize, rows, hidden_dims):
    towers = PersonalTowers(TASKS, 5, hidden_dims)
    of_tasks, x, prior = rows
    towers(of_tasks, x, SCENARIO, prior)
    weights = randomize(towers)
    wanted = twin.personal_towers(of_tasks, x, SCENARIO, prior, 5, weights)
    found = arrays(towers(of_tasks, x, SCENARIO, prior))
    for task in TASKS:
        np.testing.assert_allclose(found[task], wanted[task], rtol=1e-4, atol=1e-4)
        assert np.abs(wanted[task]).max() > 0.01


def test_ppnet_starts_as_plain_heads(rows):
    of_tasks, x, prior = rows
    towers = PersonalTowers(TASKS, 5, (6,))
    found = arrays(towers(of_tasks, x, SCENARIO, prior))
    stacked = np.stack([of_tasks[name] for name in TASKS], axis=1)
    plain = ops.convert_to_numpy(towers.steps[0](stacked))
    for place, task in enumerate(TASKS):
        np.testing.assert_allclose(found[task], plain[:, place], rtol=1e-5, atol=1e-6)


def test_gradient_goes_to_the_prior_and_not_to_what_the_gates_read(rows, randomize):
    tf = pytest.importorskip("tensorflow")
    of_tasks, x, prior = rows
    towers = PersonalTowers(TASKS, 5, (6,))
    towers(of_tasks, x, SCENARIO, prior)
    randomize(towers)
    x, prior = tf.constant(x), tf.constant(prior)
    with tf.GradientTape() as tape:
        tape.watch([x, prior])
        total = ops.sum(towers(of_tasks, x, SCENARIO, prior)["buy"])
    to_x, to_prior = tape.gradient(total, [x, prior])
    assert to_x is None
    assert np.abs(to_prior).max() > 0


@pytest.mark.parametrize("name", TOWERS)
def test_scenario_changes_each_task_in_its_own_way(name, rows, randomize):
    of_tasks, x, prior = rows
    rows = dict.fromkeys(TASKS, of_tasks["click"]), x, prior
    towers = TOWERS[name](TASKS, 5, (8,))
    towers(*given(name, rows, 1))
    randomize(towers)
    shared, own = (arrays(towers(*given(name, rows, index))) for index in (1, 3))
    change = {task: own[task] - shared[task] for task in TASKS}
    assert np.abs(change["click"] - change["buy"]).max() > 0.01


@pytest.mark.parametrize("name", TOWERS)
def test_row_without_a_known_scenario_takes_the_shared_part(name, rows, randomize):
    towers = TOWERS[name](TASKS, 6, (8, 8))
    start = [arrays(towers(*given(name, rows, index)))["buy"] for index in (0, 3)]
    np.testing.assert_allclose(*start, rtol=1e-5, atol=1e-6)
    randomize(towers)
    shared = arrays(towers(*given(name, rows, 0)))
    for index in (1, -4, 6, 2**32 + 2):
        found = arrays(towers(*given(name, rows, index)))
        np.testing.assert_array_equal(found["buy"], shared["buy"])
    known = arrays(towers(*given(name, rows, 2)))
    assert all(np.abs(known[task] - shared[task]).max() > 0.01 for task in TASKS)


@pytest.mark.parametrize("name", TOWERS)
@pytest.mark.parametrize("multitask", MULTITASK_BLOCKS)
def test_they_follow_any_block_of_tasks(name, multitask):
    shared, scenario = keras.Input((6,)), keras.Input((), dtype="int64")
    config = ModelConfig(multitask=multitask, expert_dim=4)
    of_tasks = make_multitask_block(list(TASKS), config)(shared)
    outputs = TOWERS[name](TASKS, 4, (4,))(of_tasks, shared, scenario)
    model = keras.Model([shared, scenario], outputs)
    found = model([np.ones([3, 6], "float32"), np.array([0, 2, 3])])
    assert {task: tuple(each.shape) for task, each in found.items()} == dict.fromkeys(TASKS, (3, 4))


@pytest.mark.parametrize("name", TOWERS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), 4, (4,)), r"`task_names` and `hidden_dims` must .* received \[\] and \[4\]"),
        ((TASKS, 4, ()), r"at least one task and one width, received \['click', 'buy'\] and \[\]"),
        ((TASKS, 2, (4,)), "`num_scenarios` must be an integer of at least 3"),
        ((TASKS, 4, (0,)), "`hidden_dims` must be an integer of at least 1"),
        ((TASKS, 4, (4,), 1.0), "`dropout` must be a number from 0 to below 1"),
        ((TASKS, 4, (4,), 0.0, 0), "`embedding_dim` must be an integer of at least 1"),
    ],
)
def test_wrong_sizes_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        TOWERS[name](*arguments)


@pytest.mark.parametrize("name", TOWERS)
def test_wrong_inputs_are_refused(name):
    x, scenario = np.ones([2, 4], "float32"), np.array([2, 3])
    with pytest.raises(ValueError, match=r"`of_tasks` must hold the tasks .*received \['click'\]"):
        TOWERS[name](TASKS, 4, (4,))({"click": x}, x, scenario)
    with pytest.raises(ValueError, match=r"vectors of one width, received \[3, 4\]"):
        TOWERS[name](TASKS, 4, (4,))({"click": x, "buy": x[:, :3]}, x, scenario)
    with pytest.raises(TypeError, match="`scenario` must be integers.*received float32"):
        TOWERS[name](TASKS, 4, (4,))(dict.fromkeys(TASKS, x), x, scenario.astype("float32"))
