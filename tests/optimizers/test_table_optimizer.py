"""One optimiser for the tables and another for the dense layers, in one `compile`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.layers import EmbeddingTable
from recsys_tf.optimizers import FusedAdam, RowWiseAdagrad, RowWiseAdam, TableOptimizer

IDS = np.array([[1, 2], [2, 2], [0, 3]])
LABELS = np.array([[1.0], [0.0], [2.0]])


def model(optimizer):
    keras.utils.set_random_seed(0)
    layers = [EmbeddingTable(6, 3), keras.layers.Flatten(), keras.layers.Dense(1)]
    made = keras.Sequential([keras.Input([2], dtype="int64"), *layers])
    made.compile(optimizer, "mse", jit_compile=False)
    return made


def trained(optimizer, epochs=3):
    made = model(optimizer)
    made.fit(IDS, LABELS, epochs=epochs, batch_size=3, verbose=0)
    return made


def both(**options):
    return TableOptimizer(RowWiseAdagrad(0.1), FusedAdam(0.01), **options)


@pytest.fixture(scope="module")
def fitted():
    return trained(both())


def test_table_and_dense_layer_have_an_optimizer_each(fitted):
    optimizer = fitted.optimizer
    assert [each.shape for each in optimizer.tables._trainable_variables] == [(6, 3)]
    assert [each.shape for each in optimizer.dense._trainable_variables] == [(6, 1), (1,)]
    assert int(optimizer.iterations) == int(optimizer.tables.iterations) == 3


def test_steps_are_those_of_each_optimizer_alone():
    start = model(both())
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((start(IDS) - LABELS) ** 2)
    variables = start.trainable_variables
    gradients = tape.gradient(loss, [each.value for each in variables])
    twins = [keras.Variable(each) for each in variables]
    RowWiseAdagrad(0.1).apply(gradients[:1], twins[:1])
    FusedAdam(0.01).apply(gradients[1:], twins[1:])
    for found, expected in zip(trained(both(), 1).trainable_variables, twins, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_all_gradients_are_clipped_by_one_norm(some_rows):
    seen = {}

    class Spy(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            seen[self.name] = tf.convert_to_tensor(gradient).numpy()

    table, weight = keras.Variable(np.ones([5, 3])), keras.Variable(np.ones(2))
    optimizer = TableOptimizer(
        Spy(1.0, name="tables"), Spy(1.0, name="dense"), 1.0, table_names=[table.path]
    )
    gradients = [some_rows([1, 1, 3]), tf.constant([3.0, 4.0])]
    optimizer.apply(gradients, [table, weight])
    # Row 1, which stands twice, counts by its sum.
    whole = np.asarray(tf.convert_to_tensor(gradients[0]))
    norm = np.sqrt((whole**2).sum() + 25)
    np.testing.assert_allclose(seen["tables"], whole / norm, rtol=1e-5)
    np.testing.assert_allclose(seen["dense"], np.array([3.0, 4.0]) / norm, rtol=1e-5)


def test_training_goes_on_from_saved_weights(fitted, tmp_path):
    fitted.save_weights(tmp_path / "of.weights.h5")
    again = model(both())
    again.optimizer.build(again.trainable_variables)
    again.load_weights(tmp_path / "of.weights.h5")
    pairs = zip(again.optimizer.variables, fitted.optimizer.variables, strict=True)
    for found, expected in pairs:
        np.testing.assert_array_equal(found, expected)
    assert int(again.optimizer.iterations) == 3


def test_a_saved_model_holds_its_optimizers(fitted, tmp_path):
    fitted.save(tmp_path / "of.keras")
    again = keras.saving.load_model(tmp_path / "of.keras")
    assert again.optimizer.get_config() == fitted.optimizer.get_config()
    slots = again.optimizer.tables._accumulators
    np.testing.assert_array_equal(slots[0], fitted.optimizer.tables._accumulators[0])


def test_rates_follow_their_own_schedules():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.25])
    optimizer = TableOptimizer(RowWiseAdam(schedule), FusedAdam(0.01))
    trained(optimizer, epochs=3)
    assert float(optimizer.tables.learning_rate) == 0.25
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    optimizer.learning_rate = 0.02
    assert float(optimizer.dense.learning_rate) == pytest.approx(0.02)


def test_a_part_without_gradients_keeps_step(some_rows):
    table, weight = keras.Variable(np.ones([5, 3])), keras.Variable(np.ones(2))
    optimizer = both(table_names=[table.path])
    optimizer.apply([None, tf.constant([3.0, 4.0])], [table, weight])
    assert int(optimizer.tables.iterations) == int(optimizer.dense.iterations) == 1
    np.testing.assert_array_equal(table, np.ones([5, 3]))


def test_two_clippings_are_refused():
    with pytest.raises(ValueError, match="`dense` must not clip by itself"):
        TableOptimizer(RowWiseAdam(0.1), FusedAdam(0.1, clipnorm=1.0), global_clipnorm=1.0)


@pytest.mark.parametrize(
    "part",
    [FusedAdam(0.1, loss_scale_factor=2.0), keras.optimizers.LossScaleOptimizer(FusedAdam())],
)
def test_a_part_that_scales_losses_is_refused(part):
    with pytest.raises(ValueError, match="`tables` must not scale losses"):
        TableOptimizer(part, FusedAdam(0.1))


def test_losses_are_scaled_round_it():
    scaled = keras.optimizers.LossScaleOptimizer(both(), initial_scale=8.0)
    for found, expected in zip(
        trained(scaled).trainable_variables, trained(both()).trainable_variables, strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
