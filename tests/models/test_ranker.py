"""The ranker judges rows of a table with any combination of blocks."""

import keras
import numpy as np
import pandas as pd
import pytest

from recsys_tf import (
    BilinearConfig,
    CategoricalFeature,
    EmbeddingFeature,
    IdFeature,
    ModelConfig,
    NumericFeature,
    RunConfig,
    ScenarioSpec,
    TableSchema,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.datasets import LabelledTable, split_table
from recsys_tf.datasets.synthetic import synthetic_schema
from recsys_tf.evaluation import evaluate_tasks
from recsys_tf.models import Ranker
from recsys_tf.models.judgement import join_fields, part_rows
from recsys_tf.optimizers import FusedAdam
from recsys_tf.preparation import PreparedTable
from recsys_tf.training import build_ranker, fit

SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user", num_bins=4),
        CategoricalFeature(name="city", side="user"),
        CategoricalFeature(name="shop", side="context"),
        CategoricalFeature(name="tags", side="item", is_multivalent=True, max_values=3),
        EmbeddingFeature(name="picture", side="item", size=3),
    ),
    tasks=(
        TaskSpec(name="click", kind="binary", label="click"),
        TaskSpec(name="price", kind="regression", label="price", loss_weight=0.1),
    ),
    scenario=ScenarioSpec(feature="shop"),
)
SMALL = {
    "embedding_dim": 4,
    "trunk_dims": (8,),
    "num_experts": 2,
    "expert_dim": 8,
    "head_dims": (),
    "dropout": 0.0,
}
NUM_INDICES = {"age": 5, "city": 4, "shop": 5, "tags": 5}


def make_table(num_rows=600):
    rng = np.random.default_rng(5)
    age, shop = rng.normal(40, 10, num_rows), rng.integers(0, 3, num_rows)
    # In one shop the young click, in the others the old.
    logit = (age - 40) / 5 * np.where(shop == 0, -1, 1)
    rows = pd.DataFrame(
        {
            "age": age,
            "city": rng.choice(["Lund", "Rome", ""], num_rows),
            "shop": np.array(["north", "south", "east"])[shop],
            "tags": [list(rng.choice(["a", "b", "c"], rng.integers(0, 4))) for _ in age],
            "picture": list(rng.normal(size=(num_rows, 3)).astype("float32")),
            "click": (rng.random(num_rows) < 1 / (1 + np.exp(-logit))).astype("float64"),
            "price": np.where(rng.random(num_rows) < 0.2, np.nan, age / 10 + shop),
        }
    )
    return LabelledTable(SCHEMA, rows)


def prepared(**model):
    table = make_table()
    config = RunConfig(
        model=ModelConfig(**{**SMALL, **model}),
        training=TrainingConfig(batch_size=64, epochs=8, learning_rate=0.02),
    )
    return PreparedTable(config, table, *split_table(len(table), 0.2, 0.2, seed=1))


@pytest.fixture(scope="module")
def data():
    return prepared(multiscenario="star", multitask="shared_bottom")


@pytest.fixture(scope="module")
def batch(data):
    return next(iter(data.dataset("train")))


@pytest.fixture(scope="module")
def trained_ranker(data):
    model = build_ranker(data)
    history = fit(model, data.dataset("train"), None, data.config.training, verbose=0)
    return model, history.history


def test_ranker_learns_what_differs_between_scenarios(trained_ranker, data):
    model, history = trained_ranker
    assert history["click_loss"][-1] < history["click_loss"][0]
    assert evaluate_tasks(model, data)["click/auc"] > 0.75


def test_total_loss_of_a_batch_is_the_weighted_sum_of_the_tasks(trained_ranker, batch):
    model, _ = trained_ranker
    model.reset_metrics()
    values = model.test_step(batch)
    total = float(values["click_loss"] + 0.1 * values["price_loss"])
    assert float(values["loss"]) == pytest.approx(total, rel=1e-4)


def test_saved_and_loaded_ranker_predicts_equally(trained_ranker, batch, tmp_path):
    model, _ = trained_ranker
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    expected = model(batch[0])
    for name, values in again(batch[0]).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_categories_looked_up_together_train_as_they_do_one_by_one(batch, monkeypatch):
    found = []
    for most in (1_000, 0):
        monkeypatch.setattr("recsys_tf.models.ranker.MAX_JOINED_INDICES", most)
        keras.utils.set_random_seed(1)
        model = Ranker(SCHEMA, NUM_INDICES, ModelConfig(**SMALL))
        model.compile(FusedAdam(0.05))
        for _ in range(3):
            model.train_on_batch(*batch)
        found.append((len(model.trainable_variables), model(batch[0])["click"]))
    (together, joined), (apart, separate) = found
    assert together == apart - 1
    np.testing.assert_allclose(joined, separate, rtol=1e-4, atol=1e-5)


def test_heads_start_at_the_labels(trained_ranker, data):
    model, _ = trained_ranker
    labels = data.train_examples.columns
    assert model.initial_biases["price"] == pytest.approx(np.nanmean(labels["price"]), rel=1e-5)
    share = labels["click"].mean()
    assert model.initial_biases["click"] == pytest.approx(np.log(share / (1 - share)), rel=1e-5)


def test_stem_reads_a_part_of_each_embedding_for_each_task():
    config = ModelConfig(multitask="stem", embedding_dim=6)
    fields = np.arange(2 * 6, dtype="float32").reshape(1, 2, 6)
    rows = join_fields(part_rows(keras.ops.convert_to_tensor(fields), 2, config))
    np.testing.assert_array_equal(rows, [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]])


def test_stem_refuses_what_would_mix_the_parts():
    pair = BilinearConfig(query_feature="age", candidate_feature="picture")
    config = ModelConfig(
        multitask="stem", embedding_dim=8, bilinear=pair, multiscenario="star", scenario_dim=8
    )
    with pytest.raises(
        ValueError,
        match=r"`multitask` 'stem' reads embeddings of each task's own.*`bilinear` must be None, "
        r"received .*; `multiscenario` must be another, without statistics over a batch, received "
        r"'star'; `embedding_dim` must be a multiple of 3",
    ):
        Ranker(SCHEMA, NUM_INDICES, config)


def test_unknown_scenario_gets_an_answer(trained_ranker, batch):
    strange = {**batch[0], "shop": np.ones_like(batch[0]["shop"])}
    assert np.isfinite(trained_ranker[0](strange)["click"]).all()


def test_batch_without_rows_is_answered(trained_ranker, batch):
    nobody = {name: values[:0] for name, values in batch[0].items()}
    assert trained_ranker[0](nobody)["click"].shape == (0,)


@pytest.mark.parametrize(("given", "dropout"), [({}, 0.1), ({"user_dropout": 0.9}, 0.9)])
def test_users_are_hidden_as_rarely_as_items(given, dropout):
    schema = TableSchema(features=(IdFeature(name="user", side="user"),), tasks=SCHEMA.tasks)
    config = ModelConfig(**SMALL, item_dropout=0.1, **given)
    model = Ranker(schema, {"user": 9}, config)
    assert model.core.get_layer("user_encoder").id_dropout.rate == dropout
    assert model.config == config


def test_scenario_block_without_a_scenario_is_refused():
    schema = SCHEMA.model_copy(update={"scenario": None})
    with pytest.raises(ValueError, match="`multiscenario` 'star' needs to know the scenario"):
        Ranker(schema, NUM_INDICES, ModelConfig(multiscenario="star"))


def test_unknown_blocks_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'pepnet'"):
        Ranker(SCHEMA, NUM_INDICES, ModelConfig(multiscenario="pepnett"))
    with pytest.raises(ValueError, match="Did you mean 'deep_fm'"):
        Ranker(SCHEMA, NUM_INDICES, ModelConfig(cross="deepfm"))


def test_retrieval_is_refused():
    with pytest.raises(ValueError, match="`schema` must hold ranking tasks only, received 'watch'"):
        Ranker(synthetic_schema(), {})
