"""One pass a task gives every gradient; tables stay sparse; NaN reaches no variable."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.models.task_gradients import combined_gradients
from recsys_tf.weighting import WEIGHTINGS, GradientWeighting, make_weighting

TASKS = {"click": 1.0, "buy": 2.0, "rating": 0.5}
ROWS, WIDTH = 200_000, 4


class Net:
    """A table and a dense layer in common, a head a task, and a table of one task's own."""

    def __init__(self, tasks=TASKS):
        rng = np.random.default_rng(3)
        self.tasks = tasks
        self.table = tf.Variable(rng.normal(size=(ROWS, WIDTH)).astype("float32"))
        self.kernel = tf.Variable(rng.normal(size=(WIDTH, 3)).astype("float32"))
        self.own_table = tf.Variable(rng.normal(size=(ROWS, 3)).astype("float32"))
        self.heads = {t: tf.Variable(rng.normal(size=(3, 1)).astype("float32")) for t in tasks}
        self.ids = tf.constant([5, 9, 5, 199_999], tf.int64)
        self.passes = []

    @property
    def shared(self):
        return [self.table, self.kernel]

    @property
    def own(self):
        return [self.own_table, *self.heads.values()]

    def losses(self, **factors):
        @tf.custom_gradient
        def counted(x):
            def backward(upstream):
                self.passes.append(1)
                return upstream

            return tf.identity(x), backward

        hidden = tf.tanh(counted(tf.gather(self.table, self.ids)) @ self.kernel)
        found = {}
        for index, (task, head) in enumerate(self.heads.items()):
            own = tf.gather(self.own_table, self.ids) if task == "buy" else 0.0
            errors = (hidden + own) @ head - float(index) + 0.5
            found[task] = factors.get(task, 1.0) * tf.reduce_mean(errors**2)
        return found


def record(net, weighting, penalty=None, **factors):
    with tf.GradientTape(persistent=True) as tape:
        losses = net.losses(**factors)
        penalty = None if penalty is None else penalty()
    return combined_gradients(tape, losses, weighting, net.shared, net.own, penalty)[0]


def separately(net, task, variables, **factors):
    """One task's gradients as arrays, from a tape of its own."""
    with tf.GradientTape() as tape:
        loss = net.losses(**factors)[task]
    zero = tf.UnconnectedGradients.ZERO
    return [np.array(tf.convert_to_tensor(g)) for g in tape.gradient(loss, variables, None, zero)]


def make(name, net, tasks=TASKS):
    weighting = make_weighting(name, tasks)
    weighting.build(len(net.shared))
    return weighting


def every_gradient_weighting():
    return [name for name, each in WEIGHTINGS.items() if issubclass(each, GradientWeighting)]


@pytest.mark.parametrize("name", every_gradient_weighting())
def test_combined_gradients_are_the_weighed_sums_of_separate_ones(name):
    net, twin = Net(), Net()
    if name == "pcgrad":  # Its orders are random from three tasks on.
        net = twin = Net({"click": 1.0, "buy": 2.0})
    found = record(net, make(name, net, net.tasks))
    by_task = [separately(twin, task, twin.shared) for task in twin.tasks]
    grams = np.array([[[np.sum(s[v] * t[v]) for t in by_task] for s in by_task] for v in range(2)])
    weighting = make(name, twin, twin.tasks)
    losses = np.array([float(loss) for loss in twin.losses().values()])
    weights = weighting.task_weights(grams if weighting.is_per_variable else grams.sum(0), losses)
    weights = np.broadcast_to(weights, (2, len(by_task)))
    for v in range(2):
        wanted = sum(w * each[v] for w, each in zip(weights[v], by_task, strict=True))
        np.testing.assert_allclose(tf.convert_to_tensor(found[v]), wanted, rtol=2e-3, atol=1e-5)
    for task, head, gradient in zip(net.heads, list(twin.heads.values()), found[3:], strict=True):
        wanted = twin.tasks[task] * separately(twin, task, [head])[0]
        np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("num_tasks", [2, 3, 5])
def test_each_task_costs_one_backward_pass(num_tasks):
    net = Net({f"task_{index}": 1.0 for index in range(num_tasks)})
    record(net, make("cagrad", net, net.tasks))
    assert len(net.passes) == num_tasks


def test_gradient_of_a_table_stays_sparse_and_names_each_row_once():
    net = Net()
    table, _, own_table, *_ = record(net, make("cagrad", net))
    assert isinstance(table, tf.IndexedSlices)
    assert sorted(table.indices.numpy()) == [5, 9, 199_999]
    assert table.values.shape == (3, WIDTH)
    assert isinstance(own_table, tf.IndexedSlices)
    assert own_table.values.shape[0] == 4


def test_table_is_never_made_dense_in_the_graph():
    net, weighting = Net(), make("cagrad", Net())

    def step():
        return [g for g in record(net, weighting) if g is not None]

    graph = tf.function(step, autograph=False).get_concrete_function().graph
    reads = {"ReadVariableOp", "ResourceGather"}
    large = [
        op.type
        for op in graph.get_operations()
        for each in op.outputs
        if each.shape.rank and each.shape[0] == ROWS and op.type not in reads
    ]
    assert large == []


def test_table_that_one_task_reads_whole_gets_a_dense_gradient():
    table = tf.Variable(np.arange(6.0).reshape(3, 2).astype("float32"))
    with tf.GradientTape(persistent=True) as tape:
        losses = {"click": tf.reduce_sum(tf.gather(table, [1, 1])), "buy": tf.reduce_sum(table)}
    weighting = make_weighting("pcgrad", {"click": 1.0, "buy": 1.0})
    (found,), _ = combined_gradients(tape, losses, weighting, [table])
    np.testing.assert_allclose(found, [[1.0, 1.0], [3.0, 3.0], [1.0, 1.0]])


def test_tables_of_keras_layers_stay_sparse():
    layer = keras.layers.Embedding(1000, 2)
    layer.build()
    with tf.GradientTape(persistent=True) as tape:
        rows = layer(tf.constant([3, 3, 8]))
        losses = {"click": tf.reduce_sum(rows), "buy": tf.reduce_sum(rows**2)}
    weighting = make_weighting("mgda", {"click": 1.0, "buy": 1.0})
    (found,), _ = combined_gradients(tape, losses, weighting, layer.trainable_variables)
    assert isinstance(found, tf.IndexedSlices)
    assert found.values.shape == (2, 2)


@pytest.mark.parametrize("name", every_gradient_weighting())
def test_nan_in_one_loss_reaches_no_variable(name):
    net = Net()
    with tf.GradientTape(persistent=True) as tape:
        losses = net.losses(buy=float("nan"))
    found, is_finite = combined_gradients(tape, losses, make(name, net), net.shared, net.own)
    assert {t: bool(each) for t, each in is_finite.items()} == {t: t != "buy" for t in TASKS}
    table, kernel, own_table, click, buy, rating = [tf.convert_to_tensor(g) for g in found]
    for each in (table, kernel, click, rating):
        assert np.all(np.isfinite(each))
        assert np.any(each != 0)
    assert np.all(buy == 0)
    assert np.all(own_table == 0)


def test_own_gradient_that_alone_is_not_finite_is_left_out():
    x, y = tf.Variable([1.0, 2.0]), [tf.Variable(0.0), tf.Variable(0.0)]
    with tf.GradientTape(persistent=True) as tape:
        # The root's slope at 0 is infinite.
        losses = {"click": x[0] + x[1] + tf.sqrt(y[0]), "buy": x[0] - 3 * x[1] + y[1]}
    weighting = make_weighting("pcgrad", {"click": 1.0, "buy": 2.0})
    found, is_finite = combined_gradients(tape, losses, weighting, [x], y)
    assert not is_finite["click"]
    assert is_finite["buy"]
    assert np.all(np.isfinite(found[0]))
    assert [float(each) for each in found[1:]] == [0.0, 2.0]


def test_penalty_is_added_unweighed():
    net = Net()
    plain = record(net, make("mgda", net))
    penalized = record(
        net, make("mgda", net), lambda: 0.5 * tf.reduce_sum(net.kernel**2) + net.heads["buy"][0, 0]
    )
    np.testing.assert_allclose(penalized[1], plain[1] + net.kernel, rtol=1e-5)
    np.testing.assert_allclose(penalized[4], plain[4] + [[1.0], [0.0], [0.0]], rtol=1e-5)
    assert isinstance(penalized[0], tf.IndexedSlices)


def test_variable_that_no_task_reaches_gets_none():
    net, lonely = Net(), tf.Variable([1.0])
    with tf.GradientTape(persistent=True) as tape:
        losses = net.losses()
    weighting = make("nash_mtl", net)
    found, _ = combined_gradients(tape, losses, weighting, [*net.shared, lonely], [lonely])
    assert found[2] is None
    assert found[3] is None


def test_own_table_of_two_tasks_stays_sparse():
    table, x = tf.Variable(tf.ones([9, 1])), tf.Variable(1.0)
    with tf.GradientTape(persistent=True) as tape:
        losses = {
            "click": x * tf.reduce_sum(tf.gather(table, [1, 2])),
            "buy": x + tf.reduce_sum(tf.gather(table, tf.constant([2], tf.int64))),
        }
    weighting = make_weighting("mgda", {"click": 1.0, "buy": 10.0})
    (_, found), _ = combined_gradients(tape, losses, weighting, [x], [table])
    assert isinstance(found, tf.IndexedSlices)
    dense = tf.convert_to_tensor(found)[:, 0]
    np.testing.assert_allclose(dense, [0, 1, 11, 0, 0, 0, 0, 0, 0])


def test_training_lowers_all_losses_in_a_compiled_step():
    net = Net()
    weighting = make("grad_norm", net)
    variables = [*net.shared, *net.own]
    slots = [tf.Variable(tf.zeros_like(v)) for v in variables]

    @tf.function(autograph=False)
    def step():
        for v, slot, gradient in zip(variables, slots, record(net, weighting), strict=True):
            slot.assign(0.9 * slot + tf.convert_to_tensor(gradient))
            v.assign_sub(0.01 * slot)
        return list(net.losses().values())

    first = [float(loss) for loss in step()]
    for _ in range(60):
        last = [float(loss) for loss in step()]
    assert all(b < a for a, b in zip(first, last, strict=True))
    assert not np.allclose(weighting.learned, 1.0)


def test_wrong_arguments_are_refused():
    net = Net()
    with tf.GradientTape(persistent=True) as tape:
        losses = net.losses()
    weighting = make("mgda", net)
    with pytest.raises(ValueError, match="`shared` must hold at least one variable"):
        combined_gradients(tape, losses, weighting, [], net.own)
    with pytest.raises(ValueError, match="`weights` must be one of .* received 'clik'"):
        combined_gradients(tape, {**losses, "clik": losses["buy"]}, weighting, net.shared)
    with pytest.raises(ValueError, match="`losses` must be one of .* received 'buy'"):
        combined_gradients(tape, {"click": losses["click"]}, weighting, net.shared)


def test_batch_without_rows_gives_slices_without_rows():
    table, x = tf.Variable(tf.ones([9, 2])), tf.Variable(1.0)
    with tf.GradientTape(persistent=True) as tape:
        rows = tf.gather(table, tf.zeros([0], tf.int32))
        losses = {"click": x * tf.reduce_sum(rows), "buy": x + tf.reduce_sum(rows**2)}
    weighting = make_weighting("mgda", {"click": 1.0, "buy": 1.0})
    (found, _), _ = combined_gradients(tape, losses, weighting, [table, x])
    assert isinstance(found, tf.IndexedSlices)
    assert found.values.shape == (0, 2)
