"""A model says what a batch lacks, and takes what may be left out as given."""

import keras
import numpy as np
import pytest

from recsys_tf import ModelConfig, NumericFeature, TableSchema, TaskSpec
from recsys_tf.models import Ranker

SCHEMA = TableSchema(
    features=(NumericFeature(name="age", side="user"), NumericFeature(name="hour", side="context")),
    tasks=(
        TaskSpec(name="click", kind="binary", label="click"),
        TaskSpec(name="price", kind="regression", label="price"),
    ),
)
NAN = float("nan")
FEATURES = {name: np.array([[0.5, 1], [-1, 1], [2, 1]], "float32") for name in ("age", "hour")}
LABELS = {"click": np.array([1, 0, NAN], "float32"), "price": np.array([3, NAN, 1], "float32")}


@pytest.fixture(scope="module")
def model():
    config = ModelConfig(embedding_dim=2, trunk_dims=(), expert_dim=2, num_experts=1, dropout=0.0)
    ranker = Ranker(SCHEMA, {}, config)
    ranker.compile("sgd", run_eagerly=True)
    return ranker


def test_mixed_precision_rounds_no_feature_at_the_models_door():
    features = (NumericFeature(name="age", side="user", num_bins=300),)
    schema = TableSchema(features=features, tasks=SCHEMA.tasks)
    config = ModelConfig(embedding_dim=2, trunk_dims=(), expert_dim=2, num_experts=1)
    ranker = Ranker(schema, {"age": 301}, config, dtype="mixed_bfloat16")
    table = ranker.core.get_layer("age_encoder").table
    table.variables[0].assign(np.random.default_rng(1).normal(size=(301, 2)))
    # bfloat16 counts to 256 only: the 257th bin would be read as the one before it.
    clicks = np.array(ranker({"age": np.array([[0, 1, 256], [0, 1, 257]], "float32")})["click"])
    assert clicks[0] != clicks[1]


def losses_of(model, *batch):
    model.reset_metrics()
    logs = model.test_on_batch(*batch, return_dict=True)
    return {name: float(value) for name, value in logs.items()}


def test_weights_that_are_left_out_are_one(model):
    ones = {name: np.ones(3, "float32") for name in LABELS}
    expected = losses_of(model, FEATURES, LABELS, ones)
    assert losses_of(model, FEATURES, LABELS) == pytest.approx(expected)
    assert losses_of(model, FEATURES, LABELS, {"price": ones["price"]}) == pytest.approx(expected)


def test_one_weight_of_a_row_is_that_of_all_tasks(model):
    of_rows = np.array([1, 0, 0.5], "float32")
    by_task = dict.fromkeys(LABELS, of_rows)
    expected = losses_of(model, FEATURES, LABELS, by_task)
    assert losses_of(model, FEATURES, LABELS, of_rows) == pytest.approx(expected)
    # (9 + 1 / 2) / (1 + 1 / 2) where nothing is predicted, and (9 + 1) / 2 without weights.
    assert expected["price_loss"] > 1.1 * losses_of(model, FEATURES, LABELS)["price_loss"]


@pytest.mark.parametrize("weighting", ["fixed", "pcgrad"])
def test_training_needs_no_weights(model, weighting):
    model.compile("sgd", weighting=weighting, run_eagerly=True)
    logs = model.train_on_batch(FEATURES, LABELS, return_dict=True)
    assert np.isfinite(list(logs.values())).all()


@pytest.mark.parametrize("weighting", ["fixed", "pcgrad"])
def test_labels_that_are_left_out_are_named(model, weighting):
    model.compile("sgd", weighting=weighting, run_eagerly=True)
    with pytest.raises(ValueError, match="`y` must hold labels for every task.*lacks 'price'"):
        model.train_on_batch(FEATURES, {"click": LABELS["click"]})
    with pytest.raises(ValueError, match="lacks 'click', 'price'"):
        model.train_on_batch(FEATURES, LABELS["click"])


def test_features_that_are_left_out_are_named(model):
    with pytest.raises(ValueError, match="`inputs` must hold every feature.*lacks 'hour' and has"):
        model({"age": FEATURES["age"]})


def test_row_without_labels_changes_no_loss(model):
    expected = losses_of(model, FEATURES, LABELS)
    more = {name: np.concatenate([each, [[9, 1]]]) for name, each in FEATURES.items()}
    labels = {name: np.append(each, np.float32(NAN)) for name, each in LABELS.items()}
    assert losses_of(model, more, labels) == pytest.approx(expected)


@pytest.mark.parametrize("weighting", ["fixed", "pcgrad"])
def test_cut_into_batches_changes_no_reported_loss(model, weighting):
    model.compile(keras.optimizers.SGD(0.0), weighting=weighting, run_eagerly=True)
    # The second batch has no label of a click.
    weights = {"click": np.array([1, 2, 1], "float32"), "price": np.array([1, 1, 0.5], "float32")}
    model.reset_metrics()
    whole = model.train_step((FEATURES, LABELS, weights))
    model.reset_metrics()
    for rows in (slice(0, 2), slice(2, 3)):
        cut = [{n: each[rows] for n, each in of.items()} for of in (FEATURES, LABELS, weights)]
        found = model.train_step(tuple(cut))
    for name in ("click_loss", "price_loss"):
        assert float(found[name]) == pytest.approx(float(whole[name]))
