"""Models of tasks that come after others: whole events in the predictions, and trained so."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import ops

from recsys_tf import (
    CategoricalFeature,
    ModelConfig,
    NumericFeature,
    RunConfig,
    TableSchema,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.config import ExportConfig
from recsys_tf.datasets import LabelledTable, split_table
from recsys_tf.export import ServedRecommender
from recsys_tf.losses import binary_crossentropy
from recsys_tf.models import Ranker, Recommender, predict_all
from recsys_tf.models.chains import CHAINS as ALL_CHAINS
from recsys_tf.models.chains import conditional_name
from recsys_tf.preparation import PreparedTable
from recsys_tf.training import build_ranker, fit

NAN = float("nan")
CHAINS = tuple(name for name, each in ALL_CHAINS.items() if each.is_product)
SMALL = {
    "embedding_dim": 4,
    "num_cross_layers": 0,
    "trunk_dims": (),
    "multitask": "shared_bottom",
    "expert_dim": 8,
    "head_dims": (),
    "dropout": 0.0,
}
SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="city", side="user"),
    ),
    # The last step first: the order of the tasks is not that of the chain.
    tasks=(
        TaskSpec(name="buy", kind="binary", label="buy", after="cart"),
        TaskSpec(name="click", kind="binary", label="click"),
        TaskSpec(name="cart", kind="binary", label="cart", after="click", loss_weight=0.5),
        TaskSpec(name="price", kind="regression", label="price"),
    ),
)


def prepared(weighting="fixed", **model):
    rng = np.random.default_rng(4)
    age, city = rng.normal(size=400), rng.integers(0, 6, 400)
    click = rng.random(400) < 1 / (1 + np.exp(-age))
    cart = click & (rng.random(400) < np.where(city < 3, 0.8, 0.3))
    buy = cart & (rng.random(400) < 0.5)
    columns = {"click": click, "cart": cart, "buy": buy}
    rows = pd.DataFrame(
        {
            "age": age,
            "city": [f"city{each}" for each in city],
            **{name: each.astype("float64") for name, each in columns.items()},
            "price": age - city / 3,
        }
    )
    config = RunConfig(
        model=ModelConfig(**{**SMALL, **model}),
        training=TrainingConfig(batch_size=64, epochs=3, learning_rate=0.02, weighting=weighting),
    )
    return PreparedTable(config, LabelledTable(SCHEMA, rows), *split_table(400, 0.2, 0.2, seed=1))


@pytest.fixture(scope="module")
def data():
    return prepared(chain="escm2_dr")


@pytest.fixture(scope="module")
def batch(data):
    keras.utils.set_random_seed(1)  # The order of the rows hangs on it too.
    return next(iter(data.dataset("train")))


def make(**model):
    keras.utils.set_random_seed(1)
    return Ranker(SCHEMA, {"city": 8}, ModelConfig(**{**SMALL, **model}))


def gradients(model, batch):
    features, labels, weights = batch
    with tf.GradientTape() as tape:
        outputs = model(features, training=True)
        loss = model.compute_loss(features, labels, outputs, weights)
    variables = model.trainable_variables
    return dict(zip([each.path for each in variables], tape.gradient(loss, variables), strict=True))


def assert_all_finite(of_variables):
    for path, gradient in of_variables.items():
        assert gradient is not None, path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), path


def test_chain_of_three_predicts_whole_events(batch):
    model = make(chain="esmm")
    outputs = model(batch[0])
    predicted = model.predict_step((batch[0],))
    probability = {name: np.asarray(ops.sigmoid(each)) for name, each in outputs.items()}
    cart = probability["click"] * probability[conditional_name("cart")]
    buy = cart * probability[conditional_name("buy")]
    assert sorted(predicted) == ["buy", "cart", "click", "price"]
    np.testing.assert_allclose(predicted["click"], probability["click"], rtol=1e-5)
    np.testing.assert_allclose(predicted["cart"], cart, rtol=1e-5)
    np.testing.assert_allclose(predicted["buy"], buy, rtol=1e-5)


def test_tasks_without_a_chain_are_the_heads_own(batch):
    free, chained = make(), make(chain="esmm")
    chained.set_weights(free.get_weights())
    outputs, expected = chained(batch[0]), free(batch[0])
    assert sorted(expected) == ["buy", "cart", "click", "price"]
    for name in ("click", "price"):
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-6)
    for name in ("cart", "buy"):
        np.testing.assert_allclose(outputs[conditional_name(name)], expected[name], rtol=1e-6)


def test_loss_of_a_chain_is_that_of_the_product(batch):
    features, labels, weights = batch
    model = make(chain="esmm")
    outputs = model(features)
    losses = model.task_losses(features, labels, outputs, weights)
    rows = binary_crossentropy(labels["buy"], outputs["buy"])
    assert float(losses["buy"]) == pytest.approx(float(np.mean(rows)), rel=1e-5)


@pytest.mark.parametrize("chain", CHAINS)
def test_every_variable_gets_a_finite_gradient(batch, chain):
    assert_all_finite(gradients(make(chain=chain), batch))


@pytest.mark.parametrize("chain", CHAINS)
def test_batch_without_labels_of_a_step_has_loss_zero_for_it(batch, chain):
    features, labels, weights = batch
    labels = {**labels, "buy": tf.fill(tf.shape(labels["buy"]), NAN)}
    model = make(chain=chain)
    losses = model.task_losses(features, labels, model(features), weights)
    assert float(losses["buy"]) == 0
    assert float(losses["cart"]) > 0
    assert_all_finite(gradients(model, (features, labels, weights)))


def test_chain_trains_in_a_graph_and_is_saved(data, tmp_path):
    model = build_ranker(data)
    history = fit(model, data.dataset("train"), None, data.config.training, verbose=0).history
    assert history["cart_loss"][-1] < history["cart_loss"][0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.config == model.config
    assert again.schema == model.schema
    features, labels, weights = next(iter(data.dataset("test")))
    outputs, expected = again(features), model(features)
    assert sorted(outputs) == sorted(expected)
    for name, values in outputs.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    losses = model.task_losses(features, labels, expected, weights)
    for name, loss in again.task_losses(features, labels, outputs, weights).items():
        assert float(loss) == pytest.approx(float(losses[name]), rel=1e-4)


@pytest.mark.parametrize("chain", CHAINS)
def test_every_chain_lowers_its_steps_losses(batch, chain):
    features, labels, weights = batch
    model = make(chain=chain)
    model.compile(keras.optimizers.Adam(0.02), run_eagerly=True)
    before = model.task_losses(features, labels, model(features), weights)
    for _ in range(8):
        model.train_step(batch)
    after = model.task_losses(features, labels, model(features), weights)
    for name in ("click", "cart", "buy"):
        assert float(after[name]) < float(before[name])


def test_gradient_weighting_trains_a_chain(batch):
    model = make(chain="escm2_dr")
    before = [np.array(each) for each in model.trainable_variables]
    model.compile(keras.optimizers.SGD(0.1), weighting="pcgrad", run_eagerly=True)
    assert np.isfinite(model.train_step(batch)["loss"])
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert np.isfinite(variable).all()
        assert np.any(old != np.array(variable)), variable.path


def test_mixed_precision_keeps_products_in_float32(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make(chain="escm2_dr")
        assert model(batch[0])["buy"].dtype == tf.float32
        assert_all_finite(gradients(model, batch))
    finally:
        keras.config.set_dtype_policy("float32")


def test_calibrator_lowers_what_it_punishes(batch):
    def excess(model):
        predicted = model.predict_step(batch)
        return np.maximum(predicted["cart"] - predicted["click"], 0).mean()

    model = make(calibrator_weight=10.0)
    # Carts far likelier than clicks.
    model.core.get_layer("heads").outputs["cart"].bias.assign([2.0])
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = excess(model)
    for _ in range(5):
        model.train_step(batch)
    assert before > 0.3
    assert excess(model) < 0.5 * before


def test_head_of_a_chain_starts_at_the_share_after_the_step_before(data):
    free, chained = build_ranker(prepared()), build_ranker(data)
    columns = data.train_examples.columns
    share = columns["cart"][columns["click"] == 1].mean()
    assert chained.initial_biases["cart"] == pytest.approx(np.log(share / (1 - share)), rel=1e-5)
    share = columns["cart"].mean()
    assert free.initial_biases["cart"] == pytest.approx(np.log(share / (1 - share)), rel=1e-5)
    assert chained.initial_biases["click"] == free.initial_biases["click"]


@pytest.fixture(scope="module")
def recommender(small_data):
    """Of the generated data what is watched, and what comes after a click; texts take long."""
    schema = small_data.schema
    events = [each for each in schema.tasks if each.kind in ("retrieval", "binary")]
    features = [each for each in schema.features if each.kind != "text"]
    schema = schema.model_copy(update={"features": tuple(features), "tasks": tuple(events)})
    config = small_data.config.model.model_copy(update={"chain": "escm2_dr"})
    return Recommender(schema, small_data.state.num_indices_by_name, config)


def test_recommender_chains_its_ranking_tasks(small_data, recommender):
    batch, model = next(iter(small_data.dataset("validation"))), recommender
    assert model.schema.parents == {"like": "click", "purchase": "click"}
    assert_all_finite(gradients(model, batch))
    outputs = model(batch[0])
    predicted = predict_all(model.schema.tasks, outputs)
    assert np.all(predicted["purchase"] < predicted["click"])
    given = np.asarray(ops.sigmoid(outputs[conditional_name("purchase")]))
    np.testing.assert_allclose(predicted["purchase"], predicted["click"] * given, rtol=1e-4)


def test_served_graph_answers_with_whole_events(small_data, recommender):
    served = ServedRecommender(
        recommender,
        small_data.preprocessor,
        small_data.catalogue,
        ExportConfig(num_candidates=10, max_k=10, score_weights={"purchase": 1.0}),
    )
    specs = served.raw_specs(has_items=False)
    raw = {
        name: tf.fill(
            [2, *([0] if len(spec.shape) == 2 else [])],
            tf.constant(NAN if spec.dtype == tf.float32 else "", spec.dtype),
        )
        for name, spec in specs.items()
    }
    answer = served.recommend(raw, tf.constant([5, 5]))
    assert {"click", "purchase", "like"} <= set(answer)
    assert not any("/" in name for name in answer)
    assert np.all(answer["purchase"] < answer["click"])
    np.testing.assert_allclose(answer["scores"], answer["purchase"], rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ({"chain": "esmm"}, "`chain` 'esmm' needs a task that comes after another"),
        ({"calibrator_weight": 0.5}, "`calibrator_weight` 0.5 needs a task .* `after`"),
    ],
)
def test_chain_without_steps_is_refused(small_data, model, text):
    schema = SCHEMA.model_copy(update={"tasks": SCHEMA.tasks[1:2]})
    with pytest.raises(ValueError, match=text):
        Ranker(schema, {"city": 8}, ModelConfig(**model))
    schema = small_data.schema.model_copy(update={"tasks": small_data.schema.tasks[:2]})
    with pytest.raises(ValueError, match=text):
        Recommender(schema, small_data.state.num_indices_by_name, ModelConfig(**model))
