"""A model starts at what the training rows say of each item."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from recsys_tf import ModelConfig, RunConfig, TrainingConfig
from recsys_tf.schema import IdFeature, TableSchema, TaskSpec
from recsys_tf.training import build_recommender
from recsys_tf.training.initialization import label_biases, new_ranker

RATING = TaskSpec(name="rating", kind="regression", label="rating")
CLICK = TaskSpec(name="click", kind="binary", label="click")
TINY = ModelConfig(embedding_dim=4, trunk_dims=(), expert_dim=4, num_experts=1, head_dims=())


def test_item_mean_is_drawn_towards_what_is_expected():
    target = np.array([5.0, 5.0, 1.0, 1.0, np.nan])
    biases = label_biases(RATING, target, np.full(5, 3.0), np.array([2, 2, 3, 3, 4]), 5)
    np.testing.assert_allclose(biases, [0, 0, 2 * 2 / 12, -2 * 2 / 12, 0])


def test_user_is_measured_by_what_is_expected_of_the_items():
    target, expected = np.array([4.0, 2.0]), np.array([4.5, 2.5])
    biases = label_biases(RATING, target, expected, np.array([2, 2]), 3)
    np.testing.assert_allclose(biases, [0, 0, -0.5 * 2 / 12])


def test_binary_biases_are_log_odds():
    target = np.array([1.0] * 30 + [0.0] * 30)
    biases = label_biases(CLICK, target, np.full(60, 0.5), np.repeat([2, 3], 30), 4)
    share = (30 + 10 * 0.5) / 40
    np.testing.assert_allclose(biases[2:], np.log(share / (1 - share)) * np.array([1, -1]))


def test_one_class_gives_finite_biases():
    biases = label_biases(CLICK, np.ones(3), np.ones(3), np.array([2, 2, 3]), 4)
    assert np.isfinite(biases).all()


def test_untrained_model_predicts_ratings_better_than_the_mean(small_data):
    model = build_recommender(small_data)
    errors, distances = [], []
    for features, labels, _ in small_data.dataset("train"):
        predicted = np.asarray(model(features)["rating"])
        label = labels["rating"].numpy()
        is_given = np.isfinite(label)
        errors.append((predicted - label)[is_given])
        distances.append(label[is_given])
    distances = np.concatenate(distances)
    assert np.mean(np.concatenate(errors) ** 2) < 0.9 * np.var(distances)


TABLE = TableSchema(
    features=(IdFeature(name="user", side="user"),),
    tasks=(TaskSpec(name="price", kind="regression", label="price", sample_weight="counts"),),
)


def test_rows_without_weight_do_not_say_where_to_start():
    columns = {"price": np.array([1.0, 3.0, 99.0]), "counts": np.array([0.5, 2.0, 0.0])}
    model = new_ranker(RunConfig(model=TINY), TABLE, {"user": 5}, columns)
    assert model.initial_biases == {"price": 2.0}


def test_mixed_precision_is_of_the_model_alone(tmp_path):
    config = RunConfig(model=TINY, training=TrainingConfig(is_mixed_precision=True))
    model = new_ranker(config, TABLE, {"user": 5}, {"price": np.ones(3), "counts": np.ones(3)})
    assert keras.config.dtype_policy().name == "float32"
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, again):
        assert each.dtype_policy.name == "mixed_bfloat16"
        # The layers before the logits are in half precision, the logits are not.
        heads = each.core.get_layer("heads")
        assert heads.outputs["price"].compute_dtype == "float32"
        assert heads.stacks["price"].compute_dtype == "bfloat16"
        assert each.core.get_layer("user_encoder").compute_dtype == "bfloat16"
    rows = {"user": np.arange(5)}
    np.testing.assert_array_equal(again.predict(rows)["price"], model.predict(rows)["price"])


def test_bias_of_no_task_is_refused(small_data):
    model = build_recommender(small_data)
    with pytest.raises(ValueError, match=r"received 'watch' of shape \(3,\)"):
        model.set_label_biases("query", {"watch": np.zeros(3)})


def test_rare_items_start_at_what_each_of_them_has_and_not_all_together(rare_items_data):
    data, rare = rare_items_data
    model = build_recommender(data)
    share = rare.mean() / len(data.train_examples)
    assert float(model.item_probability[1]) == pytest.approx(share, rel=1e-5)
