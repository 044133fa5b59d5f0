"""The recommender behaves as a Keras user expects."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.models import Recommender


@pytest.fixture(scope="module")
def batch(small_data):
    whole = next(iter(small_data.dataset("validation")))
    return tf.nest.map_structure(lambda values: values[:32], whole)


def rebuilt(small_data, has_texts=False, dtype=None, **changes):
    """A fresh model; without texts unless they matter, since their encoder takes long."""
    schema = small_data.schema
    if not has_texts:
        features = tuple(each for each in schema.features if each.kind != "text")
        tasks = tuple(each for each in schema.tasks if each.name != "genres_from_text")
        schema = schema.model_copy(update={"features": features, "tasks": tasks})
    config = small_data.config.model.model_copy(update=changes)
    return Recommender(schema, small_data.state.num_indices_by_name, config, dtype=dtype)


def test_history_holds_each_tasks_losses_and_metrics(trained):
    _, history = trained
    expected = {"loss", "watch_loss", "rating_rmse", "like_auc", "daypart_of_user_accuracy"}
    assert expected <= set(history)
    assert {f"val_{name}" for name in expected} <= set(history)
    assert all(np.isfinite(values).all() for values in history.values())


def test_total_loss_of_a_batch_is_the_weighted_sum_of_the_tasks(trained, batch, small_data):
    model, _ = trained
    model.reset_metrics()
    values = model.test_step(batch)
    losses = {task: float(values[f"{task.name}_loss"]) for task in small_data.schema.tasks}
    total = sum(task.loss_weight * loss for task, loss in losses.items())
    assert float(values["loss"]) == pytest.approx(total, rel=1e-4)


def test_training_lowers_every_weighty_loss(trained):
    _, history = trained
    for task in ("watch", "click", "rating"):
        assert history[f"{task}_loss"][-1] < history[f"{task}_loss"][0]


def test_predictions_have_the_tasks_own_units(trained, batch):
    model, _ = trained
    predictions = model.predict(batch[0], verbose=0)
    assert np.all((predictions["like"] > 0) & (predictions["like"] < 1))
    np.testing.assert_allclose(predictions["daypart_of_user"].sum(axis=1), 1, rtol=1e-5)


def test_saved_and_loaded_model_predicts_equally(trained, batch, tmp_path):
    model, _ = trained
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    expected = model(batch[0])
    for name, values in again(batch[0]).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_array_equal(again.item_probability, model.item_probability)


def test_retrieval_logit_is_the_dot_product_of_the_embeddings(trained, batch):
    model, _ = trained
    outputs = model(batch[0])
    expected = np.sum(outputs["query_embedding"] * outputs["candidate_embedding"], axis=1)
    np.testing.assert_allclose(outputs["watch"], expected, rtol=1e-4, atol=1e-5)


def test_row_is_answered_alone_as_among_others(trained, batch):
    model, _ = trained
    alone = model({name: values[:1] for name, values in batch[0].items()})
    np.testing.assert_allclose(alone["watch"], model(batch[0])["watch"][:1], rtol=1e-4, atol=1e-5)


def test_batch_without_rows_is_answered_outside_of_a_graph_too(small_data, batch):
    model = rebuilt(small_data, has_texts=True)
    no_rows = {name: values[:0] for name, values in batch[0].items()}
    expected = {name: (0, *values.shape[1:]) for name, values in model(batch[0]).items()}
    assert {name: tuple(values.shape) for name, values in model(no_rows).items()} == expected
    model.compile(run_eagerly=True)
    assert all(len(values) == 0 for values in model.predict_on_batch(no_rows).values())


def test_rows_do_not_see_each_other(trained, batch):
    model, _ = trained
    reversed_rows = {name: values[::-1] for name, values in batch[0].items()}
    np.testing.assert_allclose(
        model(reversed_rows)["rating"], model(batch[0])["rating"][::-1], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"has_texts": True, "history_encoder": "attention", "fusion": "gated"},
        {"history_encoder": "mean", "tower_dims": (), "output_dim": 8, "num_cross_layers": 0},
    ],
    ids=["attention-gated-texts", "mean-plain"],
)
def test_every_trainable_variable_gets_a_finite_gradient(small_data, batch, changes):
    model = rebuilt(small_data, **changes)
    features, labels, weights = batch
    with tf.GradientTape() as tape:
        outputs = model(features, training=True)
        loss = model.compute_loss(features, labels, outputs, weights)
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        assert gradient is not None, variable.path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), variable.path


def test_item_counts_set_the_bias_and_the_correction(small_data):
    model = rebuilt(small_data)
    counts = np.zeros(model.item_probability.shape[0])
    counts[2], counts[3] = 3, 1
    model.set_item_counts(counts)
    assert float(model.item_probability[2]) == pytest.approx(0.75)
    bias = model.candidate_tower.get_layer("item_bias").bias.embeddings
    np.testing.assert_allclose(bias[2:4, 0], np.log([0.75, 0.25]), rtol=1e-6)


def test_unknown_item_is_as_popular_as_the_rare_ones_behind_it(small_data):
    model = rebuilt(small_data)
    counts = np.zeros(model.item_probability.shape[0])
    counts[1:4] = 12, 6, 2
    bias = model.candidate_tower.get_layer("item_bias").bias.embeddings
    # Four items of three rows each among twenty.
    model.set_item_counts(counts, num_unknown=4)
    np.testing.assert_allclose(model.item_probability[1:4], [3 / 20, 6 / 20, 2 / 20], rtol=1e-6)
    np.testing.assert_allclose(np.exp(bias[1:4, 0]), [3 / 20, 6 / 20, 2 / 20], rtol=1e-6)
    weights = counts * [1, 2, *np.ones(len(counts) - 2)]
    model.set_item_counts(counts, weights, num_unknown=4)
    np.testing.assert_allclose(np.exp(bias[1:4, 0]), [6 / 32, 6 / 32, 2 / 32], rtol=1e-6)
    with pytest.raises(ValueError, match="`num_unknown` must be"):
        model.set_item_counts(counts, num_unknown=0)


def test_unit_of_the_items_weights_does_not_count(small_data):
    model = rebuilt(small_data)
    counts = np.zeros(model.item_probability.shape[0])
    counts[2:4] = 30, 10
    table, found = model.candidate_tower.get_layer("item_bias").bias.embeddings, []
    for unit in (1, 1e-3, 1e3):
        model.set_item_counts(counts, counts * unit)
        found.append(np.array(table)[:, 0])
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-6)
    # Half a row of forty for an item that has none.
    np.testing.assert_allclose(np.exp(found[0][2:5]), [30 / 40, 10 / 40, 0.5 / 40], rtol=1e-6)


def test_counts_that_cannot_be_are_refused(small_data):
    model = rebuilt(small_data)
    with pytest.raises(ValueError, match="`counts` must hold"):
        model.set_item_counts(np.ones(3))
    counts = np.ones(model.item_probability.shape)
    counts[[2, 4, 5]] = -1, np.nan, np.inf
    with pytest.raises(ValueError, match="numbers of 0 or more.* 3 of them below 0 or not finite"):
        model.set_item_counts(counts)


def test_unknown_block_is_answered_with_the_nearest(small_data):
    with pytest.raises(ValueError, match="Did you mean 'mmoe'"):
        rebuilt(small_data, multitask="mmeo")


def test_equal_texts_are_encoded_once(small_data, batch):
    model = rebuilt(small_data, has_texts=True)
    once = model.candidate_tower.get_layer("title_once")
    tokens = tf.concat([batch[0]["title"]] * 2, axis=0)
    vectors = once(tokens)
    np.testing.assert_array_equal(vectors[: len(vectors) // 2], vectors[len(vectors) // 2 :])
    np.testing.assert_allclose(vectors, once.encoder(tokens), rtol=1e-4, atol=1e-5)


def test_mixed_precision_is_of_all_layers_and_loaded_again(small_data, batch, tmp_path):
    model = rebuilt(small_data, dtype="mixed_bfloat16")
    model.compile("adam")
    logs = model.train_step(batch)
    assert np.isfinite(list(logs.values())).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, again):
        assert each.query_tower.get_layer("query_output").compute_dtype == "bfloat16"
        outputs = each(batch[0])
        logits = {task.name for task in each.schema.tasks}
        for name in (*logits, "query_embedding", "candidate_embedding"):
            assert outputs[name].dtype == each.core.output[name].dtype == tf.float32
    assert keras.config.dtype_policy().name == "float32"


def test_mixed_precision_rounds_nothing_that_is_added_to_a_logit(small_data, batch):
    """A bias of 9 and a hundredth is 9 in bfloat16."""
    model = rebuilt(small_data, dtype="mixed_bfloat16")
    tower = model.candidate_tower
    tower.get_layer("item_bias").bias.embeddings.assign(
        np.full((model.num_indices["item_id"], 1), -9.01)
    )
    outputs = model(batch[0])
    np.testing.assert_allclose(outputs["candidate_embedding"][:, -1], -9.01, rtol=1e-6)
    model.set_label_biases("candidate", {"click": np.full(model.num_indices["item_id"], 9.01)})
    raised = model(batch[0])["click"] - outputs["click"]
    np.testing.assert_allclose(raised, 9.01, rtol=1e-5)


def test_half_of_the_users_are_hidden_unless_said_otherwise(small_data):
    for given, dropout in ((None, 0.5), (0.1, 0.1)):
        tower = rebuilt(small_data, user_dropout=given).query_tower
        assert tower.get_layer("user_id_encoder").id_dropout.rate == dropout
