"""Each part of a model is stepped by the optimiser that the configuration gives it."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import TrainingConfig
from recsys_tf.encoders import BagHistoryEncoder
from recsys_tf.layers import table_memory
from recsys_tf.optimizers import FusedAdamW, RowWiseAdagrad, RowWiseAdam, RowWiseFtrl
from recsys_tf.training import build_recommender, fit
from recsys_tf.training_optimizer import check_slots, make_optimizer


def test_learning_rate_rises_and_falls():
    config = TrainingConfig(learning_rate=0.1, warmup_share=0.1)
    rate = make_optimizer(config, 100)._learning_rate
    assert float(rate(0)) == 0.0
    assert float(rate(10)) == pytest.approx(0.1)
    assert float(rate(100)) == pytest.approx(0.0, abs=1e-6)


def test_weight_decay_is_of_the_kernels_alone():
    inputs = keras.Input((2,), dtype="int32")
    vectors = keras.layers.Flatten()(keras.layers.Embedding(5, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1, bias_initializer="ones")(vectors))
    config = TrainingConfig(learning_rate=0.1, schedule="constant", weight_decay=0.5)
    optimizer = make_optimizer(config, 10)
    before = {each.path: np.array(each) for each in model.trainable_variables}
    optimizer.apply([tf.zeros(each.shape) for each in model.trainable_variables],
                    model.trainable_variables)  # fmt: skip
    for variable in model.trainable_variables:
        factor = 0.95 if variable.name == "kernel" else 1.0
        np.testing.assert_allclose(variable, factor * before[variable.path], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind", "rate"),
    [("adam", RowWiseAdam, 0.05), ("adagrad", RowWiseAdagrad, 0.1), ("ftrl", RowWiseFtrl, 0.1)],
)
def test_tables_have_the_optimizer_of_their_own(name, kind, rate):
    config = TrainingConfig(
        learning_rate=0.05, schedule="constant", table_optimizer=name, weight_decay=0.5
    )
    optimizer = make_optimizer(config, 10)
    assert type(optimizer.tables) is kind
    assert type(optimizer.dense) is FusedAdamW
    assert float(optimizer.tables.learning_rate) == pytest.approx(rate)
    assert optimizer.global_clipnorm == config.clip_norm


def test_rate_of_tables_follows_the_schedule_with_adam_alone():
    config = TrainingConfig(table_optimizer="adam", table_learning_rate=0.2, warmup_share=0.1)
    assert float(make_optimizer(config, 100).tables._learning_rate(10)) == pytest.approx(0.2)
    config = TrainingConfig(table_optimizer="ftrl", table_learning_rate=0.2)
    assert float(make_optimizer(config, 100).tables.learning_rate) == pytest.approx(0.2)


def test_constant_rate_stays():
    optimizer = make_optimizer(TrainingConfig(learning_rate=0.1, schedule="constant"), 100)
    assert float(optimizer.learning_rate) == pytest.approx(0.1)


def test_slots_of_a_bags_tables_are_counted(monkeypatch):
    ids = keras.Input([3], dtype="int64")
    model = keras.Model(ids, BagHistoryEncoder(1000, 8, name="bag")(ids))
    monkeypatch.setattr(table_memory, "free_bytes", lambda: 50_000)
    # They are multiplied as a whole, so that the optimiser of the dense layers steps them.
    config = TrainingConfig(table_optimizer="adagrad")
    with pytest.raises(MemoryError, match=r"'bag/items' takes 1,000 .* \(1 \+ 2 of the optimiser"):
        check_slots(model, make_optimizer(config, 10))


@pytest.fixture(scope="module")
def two_ids(small_data):
    """Generated rows of users and items alone: what is met is a step, and little is traced."""
    schema = small_data.schema
    features = [each for each in schema.features if each.kind == "id"]
    tasks = [each for each in schema.tasks if each.name in ("watch", "rating")]
    changes = {"features": tuple(features), "tasks": tuple(tasks), "scenario": None}
    schema = schema.model_copy(update=changes)
    small = {"tower_dims": (), "multitask": "shared_bottom", "num_cross_layers": 0}
    model = small_data.config.model.model_copy(update=small)
    config = small_data.config.model_copy(update={"model": model})
    return dataclasses.replace(small_data, schema=schema, config=config)


def loss_of(model, batch):
    features, labels, weights = batch
    return float(model.compute_loss(features, labels, model(features), weights, training=False))


@pytest.mark.parametrize("name", ["adam", "adagrad", "ftrl"])
def test_recommender_with_an_optimizer_of_its_tables_learns_and_is_taken_up(
    name, two_ids, tmp_path
):
    training = two_ids.config.training.model_copy(
        update={"epochs": 1, "batch_size": 64, "table_optimizer": name}
    )
    config = two_ids.config.model_copy(update={"training": training})
    data = dataclasses.replace(two_ids, config=config)
    model, again = build_recommender(data), build_recommender(data)
    before = [np.array(each) for each in model.trainable_variables]
    sample = next(iter(two_ids.training_sample(256)))
    loss_before = loss_of(model, sample)
    rows = data.dataset("train")
    fit(model, rows, None, training, checkpoint_folder=tmp_path, verbose=0)
    assert loss_of(model, sample) < loss_before
    assert {getattr(each, "is_table", False) for each in model.trainable_variables} == {True, False}
    for variable, start in zip(model.trainable_variables, before, strict=True):
        assert np.any(np.array(variable) != start), variable.path
    # The last epoch is kept, so that nothing is left to train.
    history = fit(again, rows, None, training, checkpoint_folder=tmp_path, verbose=0)
    assert history.epoch == []
    for found, kept in (
        (again.weights, model.weights),
        (again.optimizer.variables, model.optimizer.variables),
    ):
        for variable, expected in zip(found, kept, strict=True):
            np.testing.assert_array_equal(variable, expected, err_msg=variable.path)
