"""What tasks share of a variable is balanced; what one task has for itself keeps its factor."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from recsys_tf.layers import EmbeddingTable
from recsys_tf.models.task_gradients import combined_gradients, task_gradients
from recsys_tf.models.task_rows import TaskRows
from recsys_tf.multitask import MULTITASK_BLOCKS
from recsys_tf.weighting import GradientWeighting

TASKS = {"click": 2.0, "buy": 0.5, "rating": 1.0}
NUM_TASKS, WIDTH, UNITS, SHARED = len(TASKS), 8, 8, -1
EACH = np.arange(NUM_TASKS)


class Recorder(GradientWeighting):
    """Takes weights that no method would, and keeps the matrix that it was given."""

    weights_of_tasks = np.array([10.0, 20.0, 30.0], "float32")

    def task_weights(self, gram, losses):
        self.gram = np.array(gram)
        return tf.constant(self.weights_of_tasks)


def along(axis, owners):
    """By the number of axes: whose each entry is, told by its place along one axis."""
    return lambda rank: np.reshape(owners, [-1 if each == axis else 1 for each in range(rank)])


def gates(num_choices, axis):
    return {
        "gates/kernel": along(axis, EACH if axis == 0 else np.repeat(EACH, num_choices)),
        "gates/bias": along(0, np.repeat(EACH, num_choices)),
    }


def below(folder, owners):
    return {f"{folder}/{name}": each for name, each in owners.items()}


LAST = np.array([SHARED, SHARED, 2])
# Whose the parts of each block's variables are; all that is not named here is shared.
OWNERS = {
    "shared_bottom": ({}, {}),
    "mmoe": ({"num_experts": 3}, gates(3, axis=1)),
    "low_rank_experts": (
        {"num_experts": 3, "rank": 2, "num_layers": 2},
        {
            "gates_0/kernel": along(1, np.repeat(EACH, 3)),
            "gates_0/bias": along(0, np.repeat(EACH, 3)),
            "gates_1/kernel": along(0, EACH),
            "gates_1/bias": along(0, np.repeat(EACH, 3)),
        },
    ),
    "cgc": (
        {"num_experts": 2, "num_task_experts": 2, "num_layers": 2},
        {
            **gates(4, axis=1),
            "task_experts/kernel_0": along(1, np.repeat(EACH, 2)),
            "task_experts/bias_0": along(0, np.repeat(EACH, 2)),
            "task_experts/kernel_1": along(0, np.repeat(EACH, 2)),
            "task_experts/bias_1": along(0, np.repeat(EACH, 2)),
        },
    ),
    # The experts of the first level go on to all tasks, by the shared gate.
    "ple": (
        {"num_experts": 2, "num_task_experts": 1, "num_levels": 2},
        {
            **below("level_0", gates(3, axis=1)),
            **below("level_1", gates(3, axis=0)),
            "level_1/task_experts/kernel_0": along(0, EACH),
            "level_1/task_experts/bias_0": along(0, EACH),
        },
    ),
    # Each tower but the last one hands on.
    "aitm": (
        {},
        {
            "towers/kernel_0": along(1, LAST),
            "towers/bias_0": along(0, LAST),
            "rating_transfer/dense_0/kernel": along(0, [2]),
            "rating_transfer/dense_0/bias": along(0, [2]),
            "rating_projections/kernel_0": along(0, [2]),
            "rating_projections/bias_0": along(0, [2]),
        },
    ),
    # Every layer is mixed into every task, by its row of the last unit.
    "cross_stitch": ({"num_layers": 2}, {"stitch_1": along(0, EACH)}),
    "mtan": (
        {"num_layers": 2},
        {
            "mask_input_0/kernel_0": along(1, EACH),
            "mask_input_1/kernel_0": along(0, EACH),
            "mask_0/kernel_0": along(0, EACH),
            "mask_1/kernel_0": along(0, EACH),
            "/mask_input_0/bias_0": along(0, EACH),
            "/mask_input_1/bias_0": along(0, EACH),
            "/mask_0/bias_0": along(0, EACH),
            "/mask_1/bias_0": along(0, EACH),
        },
    ),
    "stem": (
        {"num_experts": 2, "num_task_experts": 1},
        {
            **gates(5, axis=0),
            "task_experts/kernel_0": along(0, EACH),
            "task_experts/bias_0": along(0, EACH),
            "table/embeddings": along(1, np.repeat([SHARED, *EACH], WIDTH // 4)),
        },
    ),
}


def test_the_parts_of_every_block_are_told():
    assert sorted(OWNERS) == sorted(MULTITASK_BLOCKS)


def gradients_of(name, options, rng):
    """A table and a block with a loss a task: variables, combined gradients, weighting, and g_t."""
    table = EmbeddingTable(50, WIDTH, name="table")
    block = MULTITASK_BLOCKS[name](list(TASKS), expert_dim=UNITS, **options, name="block")
    ids = rng.integers(0, 50, 256)
    block(table(ids))
    variables = [*table.trainable_variables, *block.trainable_variables]
    for each in variables:
        # Gates and corrections that start at 0 would have no gradient to tell apart.
        each.assign(0.5 * rng.normal(size=each.shape))
    labels = rng.normal(size=(NUM_TASKS, 256)).astype("float32")
    weighting = Recorder(TASKS)
    raw = [each.value for each in variables]
    with tf.GradientTape(persistent=True) as tape:
        outputs = block(table(ids))
        losses = {
            task: ops.mean(ops.square(ops.sum(outputs[task], axis=1) - label))
            for task, label in zip(TASKS, labels, strict=True)
        }
    combined, _ = combined_gradients(tape, losses, weighting, raw)
    by_task = [
        [np.zeros(v.shape) if g is None else np.array(tf.convert_to_tensor(g)) for g, v in pairs]
        for pairs in (
            zip(each, variables, strict=True) for each in task_gradients(tape, losses, TASKS, raw)
        )
    ]
    return variables, [np.array(tf.convert_to_tensor(g)) for g in combined], weighting, by_task


@pytest.mark.parametrize("name", OWNERS)
def test_private_parts_keep_their_factor_and_stay_out_of_the_matrix(name, rng):
    options, owners = OWNERS[name]
    variables, combined, weighting, by_task = gradients_of(name, options, rng)
    gram, met = np.zeros((NUM_TASKS, NUM_TASKS)), set()
    for variable, found, *of_tasks in zip(variables, combined, *by_task, strict=True):
        of_tasks = np.stack(of_tasks).astype("float64")
        names = [end for end in owners if variable.path.endswith(end)]
        met.update(names)
        owner = owners[names[0]](found.ndim) if names else np.array(SHARED)
        is_shared = np.broadcast_to(owner == SHARED, found.shape)
        flat = (of_tasks * is_shared).reshape(NUM_TASKS, -1)
        gram += flat @ flat.T
        balanced = np.tensordot(weighting.weights_of_tasks, of_tasks, axes=1)
        factored = np.tensordot(list(TASKS.values()), of_tasks, axes=1)
        wanted = np.where(is_shared, balanced, factored)
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4, err_msg=variable.path)
    assert met == set(owners)
    np.testing.assert_allclose(weighting.gram, gram, rtol=1e-3)


def test_rows_of_a_table_that_one_task_reads_in_a_batch_are_shared():
    first = tf.IndexedSlices(tf.constant([[1.0, 2.0]]), tf.constant([3]), [9, 2])
    second = tf.IndexedSlices(tf.constant([[3.0, 4.0]]), tf.constant([5]), [9, 2])
    rows = TaskRows([first, second])
    np.testing.assert_allclose(rows.gram, [[5.0, 0.0], [0.0, 25.0]])
    found = rows.combine(tf.constant([10.0, 100.0]), tf.ones(2))
    np.testing.assert_allclose(found.values, [[10.0, 20.0], [300.0, 400.0]])


def test_variable_of_one_task_is_private_whatever_its_form():
    values = tf.constant([[1.0], [2.0]])
    table = tf.IndexedSlices(values, tf.constant([4, 4]), [9, 1])
    for gradient, wanted in ((table, [[6.0]]), (values, [[2.0], [4.0]]), (tf.constant(3.0), 6.0)):
        rows = TaskRows([None, gradient])
        np.testing.assert_array_equal(rows.gram, np.zeros((2, 2)))
        found = rows.combine(tf.constant([10.0, 100.0]), tf.constant([1.0, 2.0]))
        np.testing.assert_allclose(getattr(found, "values", found), wanted)


def test_task_that_breaks_is_counted_as_one_that_reaches_nothing():
    broken = tf.constant([[float("nan"), 1.0], [2.0, 0.0]])
    rows = TaskRows([broken, tf.constant([[1.0, 2.0], [3.0, 4.0]])])
    np.testing.assert_array_equal(rows.is_finite, [False, True])
    found = rows.combine(tf.constant([0.0, 10.0]), tf.constant([0.0, 2.0]))
    np.testing.assert_allclose(found, [[2.0, 4.0], [6.0, 8.0]])


def test_products_are_in_full_precision_on_gpus_too():
    # There a float32 product of matrices is one of TF32, of 10 bits.
    @tf.function
    def combined(first, second):
        rows = TaskRows([first, second])
        return rows.combine(rows.gram[0], rows.gram[1])

    shape = tf.TensorSpec([8], tf.float32)
    graph = combined.get_concrete_function(shape, shape).graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    products = [node for node in nodes if "MatMul" in node.op]
    assert products
    assert {tf.as_dtype(node.attr["T"].type) for node in products} == {tf.float64}


def test_inner_products_of_long_gradients_round_once(rng):
    gradients = (1000 + rng.normal(size=(2, 50_000))).astype("float32")
    exact = gradients.astype("float64") @ gradients.astype("float64").T
    gram = TaskRows([tf.constant(each) for each in gradients]).gram
    np.testing.assert_allclose(gram, exact, rtol=1e-7)
