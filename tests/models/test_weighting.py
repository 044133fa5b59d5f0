"""A model takes any weighting in `compile`, of losses or of gradients."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from recsys_tf import (
    CategoricalFeature,
    ModelConfig,
    NumericFeature,
    RunConfig,
    TableSchema,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.datasets import LabelledTable, split_table
from recsys_tf.models import Ranker
from recsys_tf.preparation import PreparedTable
from recsys_tf.training import NonFiniteLossError, build_ranker, fit
from recsys_tf.training.callbacks import StopAtNonFiniteLoss
from recsys_tf.weighting import WEIGHTINGS, FixedWeighting, GradientWeighting, PCGrad

GRADIENT_WEIGHTINGS = [
    name for name, each in WEIGHTINGS.items() if issubclass(each, GradientWeighting)
]

SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="city", side="user"),
    ),
    tasks=(
        TaskSpec(name="click", kind="binary", label="click", loss_weight=2.0),
        TaskSpec(name="price", kind="regression", label="price"),
    ),
)


def prepared(weighting="fixed"):
    rng = np.random.default_rng(3)
    age, city = rng.normal(size=200), rng.integers(0, 9, 200)
    rows = pd.DataFrame(
        {
            "age": age,
            "city": [f"city{each}" for each in city],
            "click": (age + city / 5 + rng.normal(size=200) > 1).astype("float64"),
            "price": age - city / 3,
        }
    )
    config = RunConfig(
        model=ModelConfig(
            embedding_dim=4,
            num_cross_layers=0,
            trunk_dims=(),
            multitask="shared_bottom",
            expert_dim=8,
            head_dims=(),
            dropout=0.0,
        ),
        training=TrainingConfig(batch_size=64, epochs=3, learning_rate=0.02, weighting=weighting),
    )
    return PreparedTable(config, LabelledTable(SCHEMA, rows), *split_table(200, 0.2, 0.2, seed=1))


@pytest.fixture(scope="module")
def data():
    return prepared()


@pytest.fixture(scope="module")
def batch(data):
    return next(iter(data.dataset("train")))


def make(data, weighting="fixed", optimizer=None, **options):
    keras.utils.set_random_seed(1)
    model = build_ranker(data)
    # Not traced: a few steps take less time than making the graph of one.
    options = {"run_eagerly": True, **options}
    model.compile(optimizer or keras.optimizers.SGD(0.1), weighting=weighting, **options)
    return model


@pytest.fixture(scope="module")
def untrained(data, batch):
    """One model for all weightings, where it starts, and its losses there."""
    model = make(data)
    features, labels, weights = batch
    losses = model.task_losses(features, labels, model(features), weights)
    return model, model.core.get_weights(), losses


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_every_weighting_lowers_every_tasks_loss(untrained, batch, name):
    model, start, before = untrained
    features, labels, weights = batch
    model.core.set_weights(start)
    model.compile(keras.optimizers.SGD(0.1), weighting=name, run_eagerly=True)
    # Enough for random weights to reach every task.
    for _ in range(8 if name == "rlw" else 2):
        model.train_step(batch)
    after = model.task_losses(features, labels, model(features), weights)
    for task in ("click", "price"):
        assert float(after[task]) < float(before[task])


def test_gradient_weighting_of_the_configuration_trains_in_a_graph(batch):
    data = prepared("cagrad")
    model = build_ranker(data)
    history = fit(model, data.dataset("train"), None, data.config.training, verbose=0).history
    assert type(model.weighting) is WEIGHTINGS["cagrad"]
    assert history["price_loss"][-1] < history["price_loss"][0]
    # The reported loss of a batch is the sum by the schema's factors.
    model.reset_metrics()
    values = model.train_step(batch)
    total = float(2 * values["click_loss"] + values["price_loss"])
    assert float(values["loss"]) == pytest.approx(total, rel=1e-4)


def test_gradient_weighting_without_a_conflict_is_the_plain_sum(data, batch):
    """PCGrad projects nothing where no two gradients point apart: here there is one task each."""
    features, labels, weights = batch
    labels = {**labels, "price": tf.fill(tf.shape(labels["price"]), float("nan"))}
    models = [make(data, weighting) for weighting in ("fixed", "pcgrad")]
    for model in models:
        model.train_step((features, labels, weights))
    for left, right in zip(*(model.core.trainable_variables for model in models), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6, err_msg=left.path)


def test_shared_and_own_variables_are_all_there_are(data):
    model = make(data)
    names = {variable.path for variable in model.own_variables}
    assert names
    assert all("heads" in name for name in names)
    together = [*model.shared_variables, *model.own_variables]
    assert {id(each) for each in together} == {id(each) for each in model.core.trainable_variables}


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_saved_model_keeps_its_weighting(data, batch, tmp_path, name):
    model = make(data, name)
    model.train_step(batch)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.weighting) is WEIGHTINGS[name]
    assert again.weighting.get_config() == model.weighting.get_config()
    for left, right in zip(again.weighting.weights, model.weighting.weights, strict=True):
        np.testing.assert_array_equal(left, right)
    assert len(again.trainable_variables) == len(model.trainable_variables)
    assert np.isfinite(float(again.train_step(batch)["loss"]))


def test_compiling_again_drops_the_weighting_before(data):
    model = make(data, "uncertainty")
    with_own, weighting = len(model.trainable_variables), model.weighting
    model.compile("sgd")
    assert type(model.weighting) is FixedWeighting
    assert len(model.trainable_variables) < with_own
    model.compile("sgd", weighting=weighting)
    assert len(model.trainable_variables) == with_own
    model.compile("sgd", weighting=weighting)
    assert len(model.trainable_variables) == with_own


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weighting_in_use_is_taken_once_more(data, batch, name):
    model = make(data, name)
    model.train_step(batch)
    before = [np.array(each) for each in model.weighting.weights]
    model.compile("sgd", weighting=model.weighting, run_eagerly=True)
    for left, right in zip(model.weighting.weights, before, strict=True):
        np.testing.assert_array_equal(left, right)


def with_broken_price(batch, value=float("inf")):
    features, labels, weights = batch
    price = tf.tensor_scatter_nd_update(labels["price"], [[3]], [value])
    return features, {**labels, "price": price}, weights


def with_steep_clicks(model):
    """Adds 0 to a loss, by what has a slope of infinity times 0 where a price is 77."""
    plain = model.task_losses

    def steep(features, labels, *args, **kwargs):
        losses = plain(features, labels, *args, **kwargs)
        apart = tf.where(tf.reduce_any(labels["price"] == 77.0), 0.0, 1.0)
        zero = tf.sqrt(apart + 0.0 * losses["click"]) - apart
        return {**losses, "click": losses["click"] + zero}

    model.task_losses = steep


@pytest.mark.parametrize("name", ["fixed", "pcgrad"])
def test_first_broken_loss_is_named_in_a_call_of_several_steps(batch, name):
    good, broken = map(tf.data.Dataset.from_tensors, (batch, with_broken_price(batch)))
    rows = good.concatenate(broken).concatenate(good.repeat(2))
    config = prepared(name).config.training
    # One call runs all four steps, and the gradients are clipped by their joint norm.
    assert (config.steps_per_execution >= 4, config.clip_norm) == (True, 10.0)
    model = build_ranker(prepared(name))
    with pytest.raises(NonFiniteLossError, match="^price_loss stopped being finite at step 2 of"):
        fit(model, rows, None, config, verbose=0)
    assert_finite(model)
    # `pcgrad` steps by the other task; a joined loss skips the broken step.
    assert int(model.optimizer.iterations) == (4 if name == "pcgrad" else 3)


def assert_finite(model):
    for variable in (*model.core.variables, *model.weighting.variables, *model.optimizer.variables):
        assert np.all(np.isfinite(np.array(variable, "float64"))), variable.path


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_broken_loss_is_named_and_not_spread(data, batch, name):
    model = make(data, name, keras.optimizers.Adam(0.02, global_clipnorm=10.0))
    model.train_step(batch)
    model.reset_metrics()
    rows = tf.data.Dataset.from_tensors(with_broken_price(batch))
    with pytest.raises(NonFiniteLossError, match="^price_loss stopped being finite at step 1 of"):
        model.fit(rows, callbacks=[StopAtNonFiniteLoss()], verbose=0)
    assert_finite(model)
    assert np.isfinite(float(model.task_metrics.loss_means["click"].result()))
    model.reset_metrics()
    assert np.isfinite(float(model.train_step(batch)["loss"]))
    assert_finite(model)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_step_of_a_finite_loss_without_a_finite_gradient_is_left_out_and_told(data, batch, name):
    model = make(data, name)
    with_steep_clicks(model)
    before = [np.array(each) for each in model.core.trainable_variables]
    rows = tf.data.Dataset.from_tensors(with_broken_price(batch, 77.0))
    with pytest.raises(NonFiniteLossError, match="^The gradient of .* was not finite at step 1 of"):
        model.fit(rows, callbacks=[StopAtNonFiniteLoss()], verbose=0)
    if name not in GRADIENT_WEIGHTINGS:  # Those step by the other task.
        for left, right in zip(model.core.trainable_variables, before, strict=True):
            np.testing.assert_array_equal(left, right)
    assert_finite(model)


@pytest.mark.parametrize(
    ("name", "of"), [("fixed", "click_loss and price_loss"), ("pcgrad", "click_loss")]
)
def test_first_broken_gradient_is_told_in_a_call_of_several_steps(batch, name, of):
    good, steep = map(tf.data.Dataset.from_tensors, (batch, with_broken_price(batch, 77.0)))
    model = build_ranker(prepared(name))
    with_steep_clicks(model)
    text = f"^The gradient of {of} was not finite at step 2 of the epoch, though every loss was"
    rows = good.concatenate(steep).concatenate(good.repeat(2))
    config = prepared(name).config.training
    with pytest.raises(NonFiniteLossError, match=text):
        fit(model, rows, None, config, verbose=0)
    assert_finite(model)
    assert int(model.optimizer.iterations) == (4 if name == "pcgrad" else 3)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_held_out_loss_is_the_sum_by_the_schemas_factors(untrained, batch, name):
    model, start, before = untrained
    model.core.set_weights(start)
    model.compile(keras.optimizers.SGD(0.1), weighting=name, run_eagerly=True)
    moved = {"click": tf.constant(0.2), "price": tf.constant(0.9)}
    if name not in GRADIENT_WEIGHTINGS:
        for _ in range(3):  # Weights that learn have moved by now.
            model.weighting(moved, training=True)
    for variable in model.weighting.trainable_variables:
        variable.assign(variable + 0.7)
    found = model.evaluate(tf.data.Dataset.from_tensors(batch), return_dict=True, verbose=0)
    wanted = 2 * float(before["click"]) + float(before["price"])
    assert found["loss"] == pytest.approx(wanted, rel=1e-4)


def test_factors_of_the_schema_enter(data):
    assert make(data).weighting.loss_weights == {"click": 2.0, "price": 1.0}


def test_what_the_tasks_give_is_refused():
    model = Ranker(SCHEMA, {"city": 12})
    with pytest.raises(ValueError, match="`loss` must be left out: the schema's tasks give"):
        model.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="`weighted_metrics` must be left out"):
        model.compile("adam", weighted_metrics=["auc"])
    with pytest.raises(ValueError, match="Did you mean 'pcgrad'"):
        model.compile("adam", weighting="pcgard")
    scaled = keras.optimizers.SGD(0.1, loss_scale_factor=2.0)
    for optimizer in (scaled, keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))):
        with pytest.raises(ValueError, match="`optimizer` must not scale losses where gradients"):
            model.compile(optimizer, weighting="pcgrad")
    other = PCGrad({"click": 1.0, "rating": 1.0})
    with pytest.raises(ValueError, match="`weighting` must be over the tasks 'click', 'price'"):
        model.compile("adam", weighting=other)
