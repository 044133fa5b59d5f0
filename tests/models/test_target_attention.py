"""The history is read once more for the item that is judged, and for nothing else."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import ModelConfig
from recsys_tf.models import Ranker, Recommender
from recsys_tf.models.trunk import trunk_inputs
from recsys_tf.target_attention import TARGET_ATTENTIONS

FEATURES = ("user_id", "history", "hour", "item_id", "genres")
TASKS = ("watch", "click", "rating")
NO_CHANCE = {"user_dropout": 0.0, "item_dropout": 0.0, "tower_dropout": 0.0, "dropout": 0.0}


@pytest.fixture(scope="module")
def make(small_data):
    """Makes a model of few features and drawn items, which an attention tells apart."""
    schema = small_data.schema
    features = tuple(each for each in schema.features if each.name in FEATURES)

    def made(kind=Recommender, tasks=TASKS, **changes):
        chosen = tuple(schema.task(name) for name in tasks)
        update = {"features": features, "tasks": chosen, "scenario": None}
        config = small_data.config.model.model_copy(update=changes)
        of_schema = schema.model_copy(update=update)
        model = kind(of_schema, small_data.state.num_indices_by_name, config)
        below = model.candidate_tower if kind is Recommender else model.core
        table = below.get_layer("item_id_encoder").table
        table.assign(np.random.default_rng(0).normal(size=table.shape))
        return model

    return made


@pytest.fixture(scope="module", params=sorted(TARGET_ATTENTIONS))
def model(make, request):
    return make(target_attention=request.param)


@pytest.fixture(scope="module")
def batch(small_data):
    rows = small_data.rows("validation")[:24]
    return next(iter(small_data.dataset("validation", rows)))


@pytest.fixture(scope="module")
def features(batch):
    """Rows with long histories and short ones, the first without any."""
    features = {name: values.numpy() for name, values in batch[0].items()}
    for name in ("history", "history_rating"):
        features[name] = np.where(np.arange(24)[:, None] > 0, features[name], 0)
    assert (features["history"] > 0).sum(axis=1)[1:].max() > 3
    return features


def parts(model, features):
    towers = (model.query_tower, model.candidate_tower)
    given = (tower({n: features[n] for n in tower.input}) for tower in towers)
    return trunk_inputs(*given, model.config)


def test_event_speaks_for_an_item_through_the_attention_alone(model, make, features):
    given = parts(model, features)
    other = {**given, "query_events": -given["query_events"]}
    with_it, without = model.trunk(given), model.trunk(other)
    changes = np.abs(with_it["rating"] - without["rating"])
    is_met = features["history"].any(axis=1)
    assert changes[is_met].min() > 1e-5
    assert not changes[~is_met].any()
    assert "query_events" not in parts(make(), features)


def test_retrieval_does_not_read_it(model, make, features):
    plain = make()
    for mine, other in zip(
        plain.query_tower.trainable_variables, model.query_tower.trainable_variables, strict=True
    ):
        mine.assign(other)
    for mine, other in zip(
        plain.candidate_tower.trainable_variables,
        model.candidate_tower.trainable_variables,
        strict=True,
    ):
        mine.assign(other)
    expected = plain(features)["watch"]
    np.testing.assert_allclose(model(features)["watch"], expected, rtol=1e-4, atol=1e-5)


def test_items_vector_stands_among_its_own_events(model, features):
    found = parts(model, features)
    table = np.array(model.candidate_tower.get_layer("item_id_encoder").table)
    np.testing.assert_allclose(found["candidate_target"], table[features["item_id"]], rtol=1e-6)
    is_event = np.array(found["query_is_event"])
    np.testing.assert_array_equal(is_event, features["history"] > 0)
    events = np.array(found["query_events"])
    np.testing.assert_allclose(events[is_event], table[features["history"][is_event]], rtol=1e-6)
    assert not events[~is_event].any()


def test_padding_may_stand_anywhere(model, features):
    spread = dict(features)
    for name in ("history", "history_rating"):
        wide = np.zeros((24, 2 * features[name].shape[1]), features[name].dtype)
        wide[:, 1::2] = features[name]
        spread[name] = wide[:, : features[name].shape[1]]
    # What was cut off is cut off of the others as well.
    half = features["history"].shape[1] // 2
    cut = {**features}
    for name in ("history", "history_rating"):
        cut[name] = np.where(np.arange(2 * half) < half, features[name], 0)
    expected = model(cut)
    for name, values in model(spread).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_every_variable_gets_a_finite_gradient_where_no_user_has_met_anything(model, batch):
    features, labels, weights = batch
    nothing = {n: tf.zeros_like(v) if n.startswith("history") else v for n, v in features.items()}
    with tf.GradientTape() as tape:
        outputs = model(nothing, training=True)
        loss = model.compute_loss(nothing, labels, outputs, weights)
    gradients = tape.gradient(loss, [each.value for each in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), variable.path


def test_dropped_events_are_dropped_for_all_that_read_them(make, features):
    changes = {"empty_history_share": 0.5, "history_dropout": 0.3, **NO_CHANCE}
    tower = make(target_attention="din", **changes).query_tower
    given = {name: features[name] for name in tower.input}
    trained = tower(given, training=True)
    is_empty = ~np.array(trained["is_event"]).any(axis=1)
    assert 0 < is_empty.sum() < len(is_empty)
    emptied = {**given, "history": np.zeros_like(given["history"])}
    expected = np.array(tower(emptied)["features"])
    found = np.array(trained["features"])
    np.testing.assert_allclose(found[is_empty], expected[is_empty], rtol=1e-4, atol=1e-5)
    assert np.abs(found - expected)[~is_empty].max(axis=1).min() > 1e-3


@pytest.mark.parametrize("name", sorted(TARGET_ATTENTIONS))
def test_ranker_reads_it_too(make, features, name):
    changes = {"history_encoder": "bag", "target_attention": name, "cross": "fm"}
    model = make(Ranker, ("click", "rating"), **changes)
    rows = {each.name: features[each.name] for each in model.core.inputs}
    met = model.core.get_layer("target_attention_events")
    # The bag has a table of its own; what is read once more is of the items'.
    assert met.item_encoder is model.core.get_layer("item_id_encoder")
    before = np.array(model(rows)["rating"])
    others = list(set(rows["history"].ravel()) - set(rows["item_id"]))
    changed = np.array(met.item_encoder.table)
    changed[others] *= -1
    met.item_encoder.table.assign(changed)
    assert np.abs(np.array(model(rows)["rating"]) - before).max() > 1e-4


def test_saved_and_loaded_model_predicts_equally(model, features, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.config.target_attention == model.config.target_attention
    expected = model(features)
    for name, values in again(features).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_options_reach_it_after_the_models_own(make):
    attention = make(target_attention="bst", dropout=0.1).trunk.get_layer("target_attention")
    assert (attention.dropout, attention.max_length) == (0.1, 50)
    options = {"hidden_dims": (3,), "is_normalized": True}
    attention = make(target_attention="din", target_attention_options=options)
    found = attention.trunk.get_layer("target_attention").get_config()
    assert (found["hidden_dims"], found["is_normalized"]) == ([3], True)


def test_faults_are_told(make):
    with pytest.raises(ValueError, match="`target_attention` must be .*'dinn'. Did you mean 'din'"):
        make(target_attention="dinn")
    with pytest.raises(ValueError, match="target_attention_options: has no meaning without"):
        ModelConfig(target_attention_options={"max_length": 3})
    with pytest.raises(ValueError, match="must be None without a ranking task"):
        make(tasks=("watch",), target_attention="din")
    with pytest.raises(ValueError, match="'stem' reads .*`target_attention` must be None"):
        make(target_attention="din", multitask="stem")


def test_schema_without_a_history_is_refused(small_data):
    features = tuple(each for each in small_data.schema.features if each.kind in ("id", "numeric"))
    tasks = (small_data.schema.task("click"),)
    schema = small_data.schema.model_copy(
        update={"features": features, "tasks": tasks, "scenario": None}
    )
    config = ModelConfig(target_attention="din")
    with pytest.raises(ValueError, match="must be None without a history and the id of its item"):
        Recommender(schema, small_data.state.num_indices_by_name, config)
