"""From interactions to sequences: indices, kinds of action, content, and refused columns."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_tf import SequenceConfig
from recsys_tf.config import EvaluationConfig
from recsys_tf.encoders import make_text_backbone
from recsys_tf.evaluation import last_states, sequence_ranking
from recsys_tf.features import action_indices
from recsys_tf.features.frames import FrameColumns
from recsys_tf.models import SequenceRecommender
from recsys_tf.preparation import SequenceData, catalogue_content

CONFIG = SequenceConfig(
    embedding_dim=8,
    max_length=10,
    encoder="hstu",
    encoder_options={"num_layers": 1},
    has_times=True,
    action_column="surface",
    actions=("search", "mail"),
    content_features=("genres", "price"),
)


@pytest.fixture(scope="module")
def data(small_data):
    return SequenceData(small_data, CONFIG)


def with_column(data, frame, name, column):
    """The data with another column, put in where `Interactions` has checked already."""
    frames = ("events", "users", "items")
    copies = {each: getattr(data.data.interactions, each).copy() for each in frames}
    interactions = replace(data.data.interactions, **copies)
    copies[frame][name] = column(copies[frame][name])
    return SequenceData(replace(data.data, interactions=interactions), data.config)


def test_kinds_have_indices_in_the_order_of_the_configuration():
    events = pd.DataFrame(
        {"kind": ["b", "", "c", "a", None], "stars": [4.0, np.nan, 3.5, 5.0, 4.0]}
    )
    frame = FrameColumns(events, "events")
    assert action_indices(frame.names("kind"), ["a", "b"]).tolist() == [3, 0, 1, 2, 0]
    assert action_indices(frame.names("stars"), ["4", "5"]).tolist() == [2, 0, 1, 3, 2]
    assert action_indices(frame.names("stars"), ["3.5"]).tolist() == [1, 0, 2, 1, 1]


@pytest.mark.parametrize("kind", ["int64", "float64", "Int64"])
def test_kinds_that_are_large_numbers_keep_their_digits(kind):
    events = pd.DataFrame({"kind": pd.array([2**24 + 1, 2**24, 12_345_678_901], kind)})
    frame = FrameColumns(events, "events")
    actions = ["16777217", "12345678901"]
    assert action_indices(frame.names("kind"), actions).tolist() == [2, 1, 3]
    with_missing = FrameColumns(events.reindex([0, 3, 2]), "events")
    assert action_indices(with_missing.names("kind"), actions).tolist() == [2, 0, 3]


def test_kinds_may_be_booleans_or_none():
    frame = FrameColumns(pd.DataFrame({"kind": [True, False, True]}), "events")
    assert action_indices(frame.names("kind"), ["0", "1"]).tolist() == [3, 2, 3]
    frame = FrameColumns(pd.DataFrame({"kind": ["a"]})[:0], "events")
    assert action_indices(frame.names("kind"), ["a"]).tolist() == []


def test_places_in_a_row_are_not_read_as_times(small_data):
    only_order = replace(small_data.interactions, is_time_comparable=False)
    data = replace(small_data, interactions=only_order)
    with pytest.raises(ValueError, match="`has_times` must be false .* knows only the order"):
        SequenceData(data, CONFIG)
    SequenceData(data, CONFIG.model_copy(update={"has_times": False}))


def test_weights_by_age_are_refused(small_data):
    training = small_data.config.training.model_copy(update={"recency_half_life_days": 14.0})
    config = small_data.config.model_copy(update={"training": training})
    with pytest.raises(ValueError, match="half_life_days` must be None for sequences, whose ev"):
        SequenceData(replace(small_data, config=config), CONFIG)


def test_steps_carry_kind_and_time_of_their_event(data):
    sequences = data.sequences("train")
    events = data.data.interactions.events.iloc[data.data.known_rows("train")]
    user = int(sequences.lengths.argmax())
    own = events[events["user_id"] == data.data.interactions.users["user_id"].iloc[user]]
    own = own.sort_values("timestamp", kind="stable")
    steps = slice(sequences.starts[user], sequences.ends[user])
    assert sequences.times[steps].tolist() == own["timestamp"].tolist()
    kinds = own["surface"].map({"search": 2, "mail": 3}).fillna(1)
    assert sequences.actions[steps].tolist() == kinds.tolist()


def test_content_stands_at_each_items_index(data):
    content, items = data.content, data.data.interactions.items
    genres = data.data.state.vocabularies["genres"]
    assert content.shape == (data.num_rows, len(genres) + 2)
    assert (content[:2] == 0).all()
    row = int(np.flatnonzero(data.catalogue_items > 1)[0])
    found = content[data.catalogue_items[row]]
    names = [each for each in items["genres"].iloc[row] if each in genres]
    # Each of `n` genres weighs `1 / sqrt(n)`, which is length 1.
    expected = [name in names for name in genres] / np.sqrt(len(names))
    np.testing.assert_allclose(found[: len(genres)], expected, rtol=1e-6)
    mean, deviation = data.data.state.moments["price"]
    price = (np.log1p(items["price"].iloc[row]) - mean) / deviation
    np.testing.assert_allclose(found[len(genres) :], [price, 1], rtol=1e-4)


def test_a_text_is_read_by_the_pretrained_encoder(small_data, monkeypatch):
    backbone = make_text_backbone(300, 1, 2, 16, 16, dropout=0.5)
    monkeypatch.setattr(
        "recsys_tf.preparation.item_content.load_text_backbone", {"folder": backbone}.__getitem__
    )
    of_items = small_data.schema, small_data.catalogue, small_data.preprocessor
    content = catalogue_content(["title"], *of_items, "folder")
    assert content.shape == (len(small_data.catalogue), 16)
    np.testing.assert_allclose(np.linalg.norm(content, axis=1), 1, rtol=1e-5)


def test_a_text_without_a_pretrained_encoder_is_refused(small_data):
    config = SequenceConfig(content_features=("title",))
    with pytest.raises(ValueError, match="the text 'title' only where a pretrained encoder"):
        _ = SequenceData(small_data, config).content


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"content_features": ("genre",)}, "Did you mean 'genres'"),
        ({"content_features": ("item_id",)}, "`content_features` must be one of"),
        ({"action_column": "surfce", "actions": ("mail",)}, "Did you mean 'surface'"),
        ({"actions": ("mail",)}, "`config.action_column` must name the column"),
    ],
)
def test_a_name_that_there_is_not_is_told(small_data, fields, fault):
    data = SequenceData(small_data, SequenceConfig(**fields))
    with pytest.raises(ValueError, match=fault):
        _ = data.event_actions if "actions" in fields else data.content


@pytest.mark.parametrize(
    ("frame", "name"), [("events", "item_id"), ("events", "user_id"), ("items", "item_id")]
)
def test_an_id_column_of_floats_is_named(data, frame, name):
    changed = with_column(data, frame, name, lambda ids: np.arange(len(ids)) * 1.0)
    rule = rf"`{frame}.{name}` must hold strings .* received floating"
    with pytest.raises(TypeError, match=rule):
        _ = changed.catalogue_items if frame == "items" else changed.sequences("train")


def test_times_of_floats_are_refused(data):
    changed = with_column(data, "events", "timestamp", lambda times: times * 1.0)
    with pytest.raises(TypeError, match=r"`events.timestamp` must hold whole numbers"):
        changed.sequences("train")


def with_unsorted_events(data, **fields):
    """The data with its events from the newest to the oldest; the parts stay what they are."""
    prepared = data.data
    interactions, last = prepared.interactions, len(prepared.interactions.events) - 1
    events = interactions.events.iloc[::-1].reset_index(drop=True)
    parts = {
        name: np.sort(last - getattr(prepared.split, name))
        for name in ("train", "validation", "test")
    }
    changed = replace(
        prepared,
        interactions=replace(interactions, events=events),
        split=replace(prepared.split, **parts),
    )
    return SequenceData(changed, data.config.model_copy(update=fields))


def test_unsorted_events_are_sorted_and_their_number_is_told_once(data, caplog):
    assert data.num_unsorted == 0
    changed = with_unsorted_events(data)
    with caplog.at_level("INFO", logger="recsys_tf.preparation.sequence_data"):
        found = changed.sequences("train")
        changed.sequences("test")
    events = data.data.interactions.events
    times = events.groupby("user_id")["timestamp"]
    # From the newest to the oldest each step is one back, but for those within one second.
    expected = int((times.size() - 1).sum() - (times.diff() == 0).sum())
    assert changed.num_unsorted == expected > 0
    assert [f"{expected:,} of {len(events):,} events" in each for each in caplog.messages] == [True]
    wanted = data.sequences("train")
    np.testing.assert_array_equal(found.times, wanted.times)
    np.testing.assert_array_equal(found.starts, wanted.starts)


def test_unsorted_events_are_refused_where_the_configuration_says_so(data):
    changed = with_unsorted_events(data, order="refuse")
    with pytest.raises(ValueError, match="`timestamps` must not fall within a user's events"):
        changed.sequences("train")
    in_order = SequenceData(data.data, data.config.model_copy(update={"order": "refuse"}))
    assert len(in_order.sequences("train")) == len(data.sequences("train"))


def test_a_model_is_trained_and_ranked_with_all_of_it(data):
    model = SequenceRecommender(data.num_indices, data.config, data.content)
    model.compile("adam", run_eagerly=True)
    model.fit(data.train_dataset().take(1), verbose=0)
    found = model.evaluate(data.question_dataset("validation"), verbose=0, return_dict=True)
    assert 0 <= found["ndcg_at_10"] <= 1
    ranking = sequence_ranking(model, data, "validation")
    assert np.isfinite(ranking.means()["ndcg_at_10"])


@pytest.mark.parametrize("is_seen_excluded", [True, False])
def test_a_question_has_the_rivals_of_the_evaluation(data, is_seen_excluded):
    config = data.data.config
    changes = {"evaluation": EvaluationConfig(is_seen_excluded=is_seen_excluded)}
    changed = replace(data.data, config=config.model_copy(update=changes))
    short = data.config.model_copy(update={"max_length": 3})
    dataset = SequenceData(changed, short).question_dataset("validation")
    found = [(x["seen"].numpy() > 0).sum(axis=1) for x, _ in dataset]
    sequences = data.sequences("validation")
    is_asked = data.request_times("validation") > 0
    lengths = sequences.different_items().lengths[is_asked] * is_seen_excluded
    assert sorted(np.concatenate(found)) == sorted(lengths)
    assert lengths.max() > 3 or not is_seen_excluded


def test_a_question_is_asked_at_the_time_of_its_answer(small_data):
    changes = {"has_request_times": True, "content_features": (), "actions": ()}
    config = CONFIG.model_copy(update={**changes, "action_column": None})
    data = SequenceData(small_data, config)
    events = small_data.interactions.events.iloc[small_data.rows("validation")]
    first = events.groupby("user_id")["timestamp"].min()
    users = small_data.interactions.users["user_id"]
    expected = users.map(first).fillna(0).astype(int).tolist()
    times = data.request_times("validation")
    assert times.tolist() == expected
    assert times.any()
    asked = [x["asked_at"].numpy() for x, _ in data.question_dataset("validation")]
    assert sorted(np.concatenate(asked)) == sorted(times[times > 0])
    model = SequenceRecommender(data.num_indices, config)
    sequences = data.sequences("validation")
    states = last_states(model, sequences, asked_at=times)
    later = last_states(model, sequences, asked_at=np.where(times, times + 10**6, 0))
    is_met = (sequences.lengths > 0) & (times > 0)
    assert (np.abs(states - later).max(axis=1) > 0).tolist() == is_met.tolist()
    model.compile("adam", run_eagerly=True)
    model.fit(data.train_dataset().take(1), verbose=0)
    assert np.isfinite(sequence_ranking(model, data, "validation").means()["ndcg_at_10"])


def test_states_are_those_of_each_users_newest_steps(data):
    model = SequenceRecommender(data.num_indices, data.config, data.content)
    sequences = data.sequences("train")
    states = last_states(model, sequences, batch_size=7)
    user = int(sequences.lengths.argmax())
    newest = slice(sequences.ends[user] - data.config.max_length, sequences.ends[user])
    columns = sequences.columns(("items", "actions", "times"))
    alone = model.last_states({name: each[newest][None] for name, each in columns.items()})
    np.testing.assert_allclose(states[user], alone[0], rtol=1e-4, atol=1e-6)
    assert (states[sequences.lengths == 0] == 0).all()
