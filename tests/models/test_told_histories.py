"""A history whose events have kinds and times, from the data set to the served answer."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from recsys_tf import (
    CategoricalFeature,
    HistoryFeature,
    IdFeature,
    ModelConfig,
    RunConfig,
    Schema,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.config import DataConfig
from recsys_tf.datasets import Interactions
from recsys_tf.evaluation import evaluate_tasks
from recsys_tf.export import ServedRecommender, export_saved_model, raw_queries
from recsys_tf.models import Recommender
from recsys_tf.preparation import history_content, prepare
from recsys_tf.training import build_recommender, fit

TOLD = {
    "times_name": "moments",
    "actions_name": "kinds",
    "actions": ("0", "1"),
    "action_column": "click",
}
CHANGES = {
    "history_encoder": "hstu",
    "history_encoder_options": {"num_layers": 1},
    "target_attention": "din",
}
SMALL = ModelConfig(
    embedding_dim=8, output_dim=8, tower_dims=(), trunk_dims=(), expert_dim=16, num_experts=1
)


@pytest.fixture(scope="module")
def data(small_data):
    """The small data, whose history tells whether each film was clicked on, and when."""
    features = tuple(
        each.model_copy(update=TOLD) if each.kind == "history" else each
        for each in small_data.schema.features
        if each.kind != "text"
    )
    tasks = tuple(each for each in small_data.schema.tasks if each.name != "genres_from_text")
    schema = small_data.schema.model_copy(update={"features": features, "tasks": tasks})
    config = small_data.config
    model = config.model.model_copy(update=CHANGES)
    training = config.training.model_copy(update={"epochs": 1})
    config = config.model_copy(update={"model": model, "training": training})
    return replace(small_data, schema=schema, config=config)


@pytest.fixture(scope="module")
def model(data):
    model = build_recommender(data)
    fit(model, data.dataset("train").take(3), None, data.config.training, verbose=0)
    return model


def test_batches_tell_kinds_and_times(data):
    features, _, _ = next(iter(data.dataset("validation")))
    is_event = features["history"].numpy() > 0
    kinds, moments = features["kinds"].numpy(), features["moments"].numpy()
    assert set(kinds[is_event]) == {2, 3}
    assert not kinds[~is_event].any()
    assert (moments[is_event] > 1_000_000_000).all()
    assert not moments[~is_event].any()
    row = moments[is_event.sum(axis=1).argmax()]
    assert (np.diff(row[row > 0]) >= 0).all()


def test_both_sides_of_the_model_read_them(model, data):
    features, _, _ = next(iter(data.dataset("validation")))
    swapped = tf.where(features["kinds"] > 1, 5 - features["kinds"], features["kinds"])
    before, after = (
        model.query_tower({name: given[name] for name in model.query_tower.input})
        for given in (features, {**features, "kinds": swapped})
    )
    assert np.abs(before["embedding"] - after["embedding"]).max() > 1e-5
    # What the target attention reads.
    assert np.abs(before["events"] - after["events"]).max() > 1e-5


def test_saved_model_is_the_same_again(model, data, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    features, _, _ = next(iter(data.dataset("validation")))
    found, wanted = loaded(features), model(features)
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, wanted
    )


def test_served_model_reads_them_of_a_request(model, data, tmp_path):
    served = ServedRecommender(model, data.preprocessor, data.catalogue, data.config.export)
    specs = served.raw_specs(has_items=False)
    assert (specs["moments"].dtype, specs["kinds"].dtype) == (tf.int64, tf.string)
    rows = data.rows("test")[:2]
    users = data.interactions.events["user_id"].iloc[rows].tolist()
    queries = raw_queries(served, data.interactions, users, known_rows=data.known_rows("test"))
    examples = data.examples("test", rows)
    for row in (0, 1):
        for name in ("moments", "kinds"):
            wanted = examples.lists[name].row(row)
            sent = queries[name].numpy()[row, : len(wanted)]
            assert [each if name == "moments" else each.decode() for each in sent] == list(wanted)
    folder = export_saved_model(served, tmp_path / "model" / "1")
    answer = tf.saved_model.load(str(folder)).signatures["recommend"]
    first = answer(**queries, k=tf.constant([5, 5]))
    again = answer(**{**queries, "moments": queries["moments"] * 0}, k=tf.constant([5, 5]))
    assert np.abs(first["scores"] - again["scores"]).max() > 1e-6


@pytest.fixture(scope="module")
def paid():
    """Events of which a user pays for the one after he bought; the items tell nothing."""
    rng = np.random.default_rng(0)
    users, items = [f"u{each}" for each in range(200)], [f"i{each}" for each in range(5)]
    events = pd.DataFrame(
        {
            "user_id": np.repeat(users, 8),
            "item_id": rng.choice(items, 1600),
            "timestamp": np.tile(np.arange(8) * 100 + 10**9, 200),
            "kind": rng.choice(["buy", "view"], 1600),
        }
    )
    events["pays"] = (events.groupby("user_id")["kind"].shift() == "buy").astype(float)
    history = HistoryFeature(
        name="history",
        side="user",
        of="item_id",
        max_length=4,
        actions_name="kinds",
        actions=("buy", "view"),
        action_column="kind",
    )
    ids = IdFeature(name="user_id", side="user"), IdFeature(name="item_id", side="item")
    schema = Schema(
        features=(*ids, history), tasks=(TaskSpec(name="pays", kind="binary", label="pays"),)
    )
    frames = pd.DataFrame({"user_id": users}), pd.DataFrame({"item_id": items})
    return Interactions(schema, events, *frames, title_column="item_id")


@pytest.mark.parametrize("encoder", ["gru4rec", "sasrec"])
def test_what_only_the_last_kind_tells_is_learned(paid, encoder):
    config = RunConfig(
        data=DataConfig(split="last_out"),
        model=SMALL.model_copy(update={"history_encoder": encoder}),
        training=TrainingConfig(batch_size=64, epochs=8, learning_rate=2e-2),
    )
    data = prepare(config, paid)
    model = build_recommender(data)
    fit(model, data.dataset("train"), None, config.training, verbose=0)
    assert evaluate_tasks(model, data)["pays/auc"] > 0.95


def test_events_without_the_column_of_their_kinds_are_refused(paid):
    with pytest.raises(ValueError, match="events: lacks the column kind"):
        replace(paid, events=paid.events.drop(columns="kind"))


def test_places_in_a_row_are_no_times(data):
    interactions = replace(data.interactions, is_time_comparable=False)
    with pytest.raises(ValueError, match="`times_name` of the history 'history' must be None"):
        replace(data, interactions=interactions)


def test_history_s_items_are_known_by_what_they_are(data, tmp_path):
    changes = {"history_features": ("genres", "price"), "history_encoder": "mean"}
    model = data.config.model.model_copy(update={**changes, "history_encoder_options": {}})
    told = replace(data, config=data.config.model_copy(update={"model": model}))
    model = build_recommender(told)
    content = history_content(told.config.model, told.schema, told.catalogue, told.preprocessor)
    items = model.query_tower.get_layer("history_encoder").item_encoder
    np.testing.assert_array_equal(items.item_content.content, content)
    assert items.item_encoder is model.candidate_tower.get_layer("item_id_encoder")
    # The target attention reads the same vectors.
    assert model.query_tower.get_layer("target_attention_events").item_encoder is items
    ids = np.array([[2, 5, 1, 0]])
    vectors = items.item_encoder(ids) + content[ids] @ items.item_content.kernel
    np.testing.assert_allclose(items(ids), vectors, rtol=1e-5, atol=1e-6)
    fit(model, told.dataset("train").take(2), None, told.config.training, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    features, _, _ = next(iter(told.dataset("validation")))
    np.testing.assert_allclose(
        loaded(features)["query_embedding"], model(features)["query_embedding"], atol=1e-6
    )
    again = loaded.query_tower.get_layer("history_encoder").item_encoder
    assert again is loaded.query_tower.get_layer("target_attention_events").item_encoder
    assert again.item_encoder is loaded.candidate_tower.get_layer("item_id_encoder")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"history_encoder": "bag", "history_encoder_options": {}},
            "another one than 'bag' with `history_features`",
        ),
        ({"history_features": ("genre",)}, "`history_features` must be one of .* 'genres'"),
        ({"history_features": ("item_id",)}, "`history_features` must be one of"),
    ],
)
def test_features_that_a_history_cannot_read_are_refused(data, changes, message):
    model = data.config.model.model_copy(update={"history_features": ("genres",), **changes})
    told = replace(data, config=data.config.model_copy(update={"model": model}))
    with pytest.raises(ValueError, match=message):
        build_recommender(told)


def test_history_features_need_their_numbers(data):
    config = data.config.model.model_copy(update={"history_features": ("genres",)})
    with pytest.raises(ValueError, match="`history_content` must be given exactly where"):
        Recommender(data.schema, data.state.num_indices_by_name, config)


@pytest.mark.parametrize(("names", "is_learned"), [(("genre",), True), ((), False)])
def test_what_only_the_last_item_s_genre_tells_is_learned(names, is_learned):
    """Each event is of an item of its own, so that no id tells anything."""
    rng = np.random.default_rng(1)
    users, items = [f"u{each}" for each in range(300)], [f"i{each}" for each in range(1800)]
    genres = rng.choice(["drama", "war"], 1800)
    events = pd.DataFrame(
        {
            "user_id": np.repeat(users, 6),
            "item_id": items,
            "timestamp": np.tile(np.arange(6) * 100 + 10**9, 300),
        }
    )
    before = pd.Series(genres).groupby(events["user_id"]).shift()
    events["pays"] = (before == "war").astype(float)
    schema = Schema(
        features=(
            IdFeature(name="user_id", side="user"),
            IdFeature(name="item_id", side="item"),
            HistoryFeature(name="history", side="user", of="item_id", max_length=1),
            CategoricalFeature(name="genre", side="item"),
        ),
        tasks=(TaskSpec(name="pays", kind="binary", label="pays"),),
    )
    frames = pd.DataFrame({"user_id": users}), pd.DataFrame({"item_id": items, "genre": genres})
    interactions = Interactions(schema, events, *frames, title_column="item_id")
    config = RunConfig(
        data=DataConfig(split="last_out"),
        model=SMALL.model_copy(update={"history_encoder": "mean", "history_features": names}),
        training=TrainingConfig(batch_size=64, epochs=6, learning_rate=2e-2),
    )
    data = prepare(config, interactions)
    model = build_recommender(data)
    fit(model, data.dataset("train"), None, config.training, verbose=0)
    # Of the test rows the item before is new to the model.
    auc = evaluate_tasks(model, data, "validation")["pays/auc"]
    assert auc > 0.95 if is_learned else auc < 0.7
