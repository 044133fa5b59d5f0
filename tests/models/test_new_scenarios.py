"""What a model answers for a scenario that training has not met."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import (
    CategoricalFeature,
    ModelConfig,
    NumericFeature,
    ScenarioSpec,
    TableSchema,
    TaskSpec,
)
from recsys_tf.models import Ranker, Recommender
from recsys_tf.optimizers import FusedAdam
from recsys_tf.types import PADDING_INDEX, UNKNOWN_INDEX

SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="shop", side="context"),
    ),
    tasks=(TaskSpec(name="click", kind="binary", label="click"),),
    scenario=ScenarioSpec(feature="shop"),
)
SMALL = {
    "embedding_dim": 4,
    "trunk_dims": (),
    "num_cross_layers": 0,
    "scenario_dim": 8,
    "multitask": "shared_bottom",
    "expert_dim": 8,
    "head_dims": (),
    "dropout": 0.0,
}
NUM_ROWS = 500
# In four fifths of the rows seven of eight click, in the others one of ten.
SHOP = np.where(np.arange(NUM_ROWS) % 5 > 0, 2, 3)
CLICK = np.where(SHOP == 2, np.arange(NUM_ROWS) % 10 != 1, np.arange(NUM_ROWS) % 50 == 0)
SHARE = {2: 0.875, 3: 0.1}


def make(**model):
    keras.utils.set_random_seed(3)
    return Ranker(SCHEMA, {"shop": 4}, ModelConfig(**{**SMALL, **model}))


def rows(shop, num=NUM_ROWS):
    age = np.resize(np.random.default_rng(1).normal(size=NUM_ROWS), num)
    numbers = np.stack([age, np.ones(num)], axis=1).astype("float32")
    return {"age": numbers, "shop": np.broadcast_to(np.asarray(shop, "int64"), [num])}


def trained(num_steps, **model):
    ranker = make(**model)
    ranker.compile(FusedAdam(0.02))
    weights = {"click": np.ones(NUM_ROWS, "float32")}
    for _ in range(num_steps):
        ranker.train_on_batch(rows(SHOP), {"click": CLICK.astype("float32")}, weights)
    return ranker


def probability(ranker, shop):
    return np.asarray(keras.ops.sigmoid(ranker(rows(shop))["click"]))


@pytest.mark.parametrize("block", [None, "star", "pepnet"])
def test_unseen_scenario_is_answered_as_a_missing_one(block):
    ranker = trained(3, multiscenario=block)
    unseen, missing = (probability(ranker, each) for each in (UNKNOWN_INDEX, PADDING_INDEX))
    np.testing.assert_allclose(unseen, missing, rtol=1e-6)
    assert np.abs(probability(ranker, 2) - unseen).max() > 1e-3


@pytest.mark.parametrize("block", ["pepnet", "hinet"])
def test_unseen_scenario_is_answered_about_as_by_one_model_for_all(block):
    ranker = trained(150, multiscenario=block, scenario_dropout=0.3)
    assert probability(ranker, UNKNOWN_INDEX).mean() == pytest.approx(CLICK.mean(), abs=0.05)
    for shop, share in SHARE.items():
        assert probability(ranker, shop).mean() == pytest.approx(share, abs=0.05)


def test_scenario_is_hidden_from_its_vector_and_from_the_block_by_one_draw():
    ranker = make(multiscenario="pepnet", scenario_dropout=0.5)
    rng = np.random.default_rng(2)
    for each in ranker.trainable_variables:
        each.assign(rng.normal(scale=0.5, size=each.shape))
    equal = {name: np.repeat(values[:1], 200, axis=0) for name, values in rows(2).items()}
    found = np.asarray(ranker(equal, training=True)["click"])
    own, unknown = (
        float(ranker({**equal, "shop": np.full(200, shop)})["click"][0])
        for shop in (2, UNKNOWN_INDEX)
    )
    is_own, is_unknown = np.isclose(found, own, atol=1e-4), np.isclose(found, unknown, atol=1e-4)
    assert np.all(is_own ^ is_unknown)
    assert 60 < is_own.sum() < 140


def test_recommender_hides_scenarios_by_one_draw_too(small_data):
    schema = small_data.schema
    features = tuple(each for each in schema.features if each.kind != "text")
    tasks = tuple(each for each in schema.tasks if each.name in ("watch", "click"))
    schema = schema.model_copy(update={"features": features, "tasks": tasks})
    changes = {
        "multiscenario": "pepnet",
        "scenario_dropout": 0.5,
        "history_dropout": 0.0,
        **dict.fromkeys(("user_dropout", "item_dropout", "tower_dropout", "dropout"), 0.0),
    }
    config = small_data.config.model.model_copy(update=changes)
    tower = Recommender(schema, small_data.state.num_indices_by_name, config).query_tower
    batch = next(iter(small_data.dataset("validation")))[0]
    name = schema.scenario.feature
    row = int(np.flatnonzero(np.asarray(batch[name]) > UNKNOWN_INDEX)[0])
    equal = {each: tf.repeat(batch[each][row : row + 1], 100, axis=0) for each in tower.input}
    found = tower(equal, training=True)
    is_hidden = np.asarray(found["scenario"]) == UNKNOWN_INDEX
    assert 25 < is_hidden.sum() < 75
    for hidden, shop in ((False, equal[name]), (True, tf.fill([100], np.int64(UNKNOWN_INDEX)))):
        expected = tower({**equal, name: shop})["features"]
        chosen = is_hidden == hidden
        np.testing.assert_allclose(
            np.asarray(found["features"])[chosen], np.asarray(expected)[chosen], atol=1e-5
        )


def test_share_of_scenarios_without_a_scenario_is_refused(small_data):
    schema = SCHEMA.model_copy(update={"scenario": None})
    text = "`scenario_dropout` must be 0 without a scenario, received 0.1"
    with pytest.raises(ValueError, match=text):
        Ranker(schema, {"shop": 4}, ModelConfig(**SMALL, scenario_dropout=0.1))
    schema = small_data.schema.model_copy(update={"scenario": None})
    with pytest.raises(ValueError, match=text):
        Recommender(schema, small_data.state.num_indices_by_name, ModelConfig(scenario_dropout=0.1))
