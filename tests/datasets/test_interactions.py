import pandas as pd
import pytest

from recsys_tf.datasets import Interactions
from recsys_tf.schema import CategoricalFeature, IdFeature, Schema, TaskSpec

SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        IdFeature(name="item_id", side="item"),
        CategoricalFeature(name="gender", side="user"),
    ),
    tasks=(
        TaskSpec(name="watch", kind="retrieval"),
        TaskSpec(name="rating", kind="regression", label="stars"),
    ),
)


def frames(**changes):
    made = {
        "events": pd.DataFrame(
            {"user_id": ["a", "b"], "item_id": ["x", "x"], "timestamp": [0, 86400], "stars": [1, 5]}
        ),
        "users": pd.DataFrame({"user_id": ["a", "b"], "gender": ["F", ""]}),
        "items": pd.DataFrame({"item_id": ["x", "y"], "title": ["X", "Y"]}),
    }
    return {**made, **changes}


def test_summary_tells_sizes_time_features_and_tasks():
    data = Interactions(SCHEMA, **frames())
    assert len(data) == 2
    assert repr(data) == "Interactions(2 events of 2 users and 2 items; tasks: watch, rating)"
    assert data.summary().splitlines() == [
        "2 events of 2 users and 2 items (50.00% of all pairs)",
        "time: 1970-01-01 to 1970-01-02 (UTC)",
        "features: user_id (id), item_id (id), gender (categorical)",
        "tasks: watch (retrieval), rating (regression)",
    ]


def test_absent_columns_of_all_frames_are_reported_together():
    bad = frames(users=pd.DataFrame({"user_id": ["a", "b"]}))
    bad["events"] = bad["events"].drop(columns=["stars", "timestamp"])
    with pytest.raises(ValueError, match=r"2 faults:\n.*columns stars, timestamp.*\n.*column gend"):
        Interactions(SCHEMA, **bad)


def test_repeated_id_is_named():
    users = pd.DataFrame({"user_id": ["a", "b", "b"], "gender": [""] * 3})
    with pytest.raises(ValueError, match=r"1 fault:\n  users: `user_id` must be unique, 'b' stand"):
        Interactions(SCHEMA, **frames(users=users))


def test_event_of_an_unknown_item_is_named():
    items = pd.DataFrame({"item_id": ["y"], "title": ["Y"]})
    with pytest.raises(ValueError, match=r"1 values of `item_id` are not in items, for .* 'x'"):
        Interactions(SCHEMA, **frames(items=items))
