from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_tf.features import (
    FeatureState,
    catalogue_examples,
    fit_state,
    id_indices,
    make_examples,
)
from recsys_tf.features.fitting import order_vocabulary
from recsys_tf.schema import CategoricalFeature, IdFeature, NumericFeature, Schema, TaskSpec

STATE = FeatureState(
    {"item_id": ("ä", "a b", "c\x0b\x85d", " "), "empty": ()},
    {"age": (1 / 3, 2.5)},
    {"title": ("[PAD]", "[UNK]")},
    is_lower_case=False,
    boundaries={"price": (0.0, float(np.float32(0.1)), 7.5)},
)


def test_saved_state_loads_equal(tmp_path):
    STATE.save(tmp_path)
    assert FeatureState.load(tmp_path) == STATE


def test_state_of_before_there_were_bins_loads(tmp_path):
    STATE.save(tmp_path)
    path = tmp_path / "feature_state.json"
    values = json.loads(path.read_text())
    del values["boundaries"]
    path.write_text(json.dumps(values))
    assert FeatureState.load(tmp_path) == replace(STATE, boundaries={})


def test_tables_have_two_rows_more_than_known_values():
    assert STATE.num_indices_by_name == {"item_id": 6, "empty": 2, "title": 2, "price": 5}
    with pytest.raises(KeyError, match="Did you mean 'item_id'"):
        STATE.num_indices("itemid")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"sizes": {"voc', r"feature_state.json` is not whole \(.*: it was cut short or changed"),
        ("", "is not whole"),
        ("[]", "must hold values by name, received a list"),
        ('{"sizes": {}}', "lacks is_lower_case, moments"),
    ],
)
def test_state_whose_numbers_were_cut_short_is_refused(tmp_path, content, text):
    STATE.save(tmp_path)
    (tmp_path / "feature_state.json").write_text(content)
    with pytest.raises(ValueError, match=text):
        FeatureState.load(tmp_path)


def test_state_that_could_not_be_written_again_is_none(tmp_path):
    STATE.save(tmp_path)
    broken = replace(STATE, moments={"age": (object(), 1.0)})
    with pytest.raises(TypeError, match="not JSON serializable"):
        broken.save(tmp_path)
    with pytest.raises(ValueError, match=r"holds no feature_state.json"):
        FeatureState.load(tmp_path)


def test_state_that_was_cut_short_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no feature_state.json; was the model saved"):
        FeatureState.load(tmp_path)
    STATE.save(tmp_path)
    path = tmp_path / "vocabularies" / "item_id.txt"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"item_id.txt` must hold 4 values, .* received 3"):
        FeatureState.load(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="received 0; the file was cut short"):
        FeatureState.load(tmp_path)


def test_state_file_holds_plain_json(tmp_path):
    STATE.save(tmp_path)
    assert json.loads((tmp_path / "feature_state.json").read_text())["moments"] == {
        "age": [1 / 3, 2.5]
    }


SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user", min_count=2),
        NumericFeature(name="age", side="user"),
        IdFeature(name="item_id", side="item"),
        CategoricalFeature(name="genres", side="item", is_multivalent=True),
        NumericFeature(name="price", side="item", scaling="log", num_bins=2),
        CategoricalFeature(name="kind", side="item", values=("b", "a")),
    ),
    tasks=(TaskSpec(name="watch", kind="retrieval"),),
)
EVENTS = pd.DataFrame(
    {
        "user_id": ["u", "u", "v", "u"],
        "item_id": ["x", "y", "x", "z"],
        "timestamp": [1, 2, 3, 4],
    }
)
USERS = pd.DataFrame({"user_id": ["u", "v"], "age": [10.0, 40.0]})
ITEMS = pd.DataFrame(
    {
        "item_id": ["x", "y", "z"],
        "genres": [["g", "h"], ["h", "i"], ["never"]],
        "price": [np.e - 1, np.nan, 1e9],
        "kind": ["a", "a", "a"],
    }
)


@pytest.fixture(scope="module")
def fitted():
    examples = make_examples(SCHEMA, EVENTS, USERS, np.arange(3))
    return fit_state(SCHEMA, examples, catalogue_examples(SCHEMA, ITEMS))


def test_vocabulary_counts_training_rows_only(fitted):
    # z stands in the catalogue and in the held-out row 3 only.
    assert fitted.vocabularies["item_id"] == ("x", "y")
    assert fitted.vocabularies["user_id"] == ("u",)


def test_item_features_count_once_a_training_row(fitted):
    # h: x twice and y once; g: x twice; i: y once.
    assert fitted.vocabularies["genres"] == ("h", "g", "i")


def test_given_values_are_the_vocabulary(fitted):
    assert fitted.vocabularies["kind"] == ("b", "a")


def test_moments_are_of_the_present_values_of_the_rows(fitted):
    # Ages 10, 10, 40; the price's logarithm is 1 in both rows that have one.
    assert fitted.moments["age"] == pytest.approx((20.0, np.sqrt(200.0)), rel=1e-7)
    assert fitted.moments["price"] == pytest.approx((1.0, 1.0))


def test_bins_are_of_the_numbers_as_given_in_the_training_rows(fitted):
    # x twice has the only price of a training row; z is in none. One bin, and index 0.
    assert fitted.boundaries == {"price": ()}
    assert fitted.num_indices("price") == 2


def test_bins_count_an_item_once_a_training_row():
    events = EVENTS.assign(item_id=["x", "x", "x", "z"])
    items = ITEMS.assign(price=[1.0, 2.0, 4.0])
    examples = make_examples(SCHEMA, events, USERS, np.arange(4))
    state = fit_state(SCHEMA, examples, catalogue_examples(SCHEMA, items))
    assert state.boundaries == {"price": (2.5,)}


def test_no_rows_fit_an_empty_state():
    examples = make_examples(SCHEMA, EVENTS, USERS, np.array([], int))
    state = fit_state(SCHEMA, examples, catalogue_examples(SCHEMA, ITEMS))
    assert state.vocabularies["item_id"] == ()
    assert state.moments["age"] == (0.0, 1.0)
    assert state.boundaries["price"] == ()


def test_equal_counts_go_by_value_descending_bytewise():
    counts = {"a": 1, "b": 1, "é": 1, "Z": 1, "most": 2, "line\nbreak": 9, "\r": 9}
    assert order_vocabulary(counts) == ("most", "é", "b", "a", "Z")
    assert order_vocabulary(counts, min_count=2) == ("most",)


def test_item_that_the_catalogue_lacks_is_counted():
    examples = make_examples(SCHEMA, EVENTS, USERS, np.arange(4))
    with pytest.raises(ValueError, match=r"`catalogue` lacks the items of 2 of 4 .* instance 'x'"):
        fit_state(SCHEMA, examples, catalogue_examples(SCHEMA, ITEMS[1:]))


def test_item_indices_are_places_in_the_vocabulary(plain_world):
    world = plain_world
    indices = id_indices("item_id", world.examples, world.preprocessor, world.schema)
    vocabulary = np.array(world.state.vocabularies["item_id"])
    np.testing.assert_array_equal(vocabulary[indices - 2], world.examples.columns["item_id"])
