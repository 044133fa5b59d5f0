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


DATES = pd.to_datetime(["2020-01-01 00:00:00.9", "2020-01-02 00:00:00.0"])


@pytest.mark.parametrize("dates", [DATES, DATES.tz_localize("UTC")])
def test_dates_are_refused_with_an_expression_that_makes_seconds_of_them(dates):
    events = frames()["events"].assign(timestamp=dates)
    text = r"events: `timestamp` must be whole seconds .*received datetime64.* 0 missing; .* by `"
    with pytest.raises(ValueError, match=text) as error:
        Interactions(SCHEMA, **frames(events=events))
    told = str(error.value).split(" by `")[1].rstrip("`")
    seconds = eval(told, {"pandas": pd, "column": events["timestamp"]})
    assert seconds.tolist() == [1_577_836_800, 1_577_923_200]
    data = Interactions(SCHEMA, **frames(events=events.assign(timestamp=seconds)))
    assert "time: 2020-01-01 to 2020-01-02" in data.summary()


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ([1.0, 2.5], "received float64 with 0 missing; leave the .* seconds as int64"),
        (pd.array([1, None], "Int64"), "received Int64 with 1 missing"),
        ([1_577_836_800_000] * 2, r"they look like milliseconds: divide them by 1,000 \(`//`\)"),
        ([1_577_836_800_000_000] * 2, r"they look like microseconds: divide them by 1,000,000 "),
        ([-1, 5], r"from 0 to 4102444800, received -1 to 5; leave those events out, or set"),
        ([0, 4_102_444_801], "received 0 to 4102444801; leave those events out"),
    ],
)
def test_times_that_are_no_seconds_are_refused(times, text):
    events = frames()["events"].assign(timestamp=times)
    with pytest.raises(ValueError, match=text):
        Interactions(SCHEMA, **frames(events=events))


def test_ranks_may_be_any_whole_numbers():
    events = frames()["events"].assign(timestamp=[-1, 10**12])
    assert len(Interactions(SCHEMA, **frames(events=events), is_time_comparable=False)) == 2
    events = events.assign(timestamp=[0.5, 1])
    with pytest.raises(ValueError, match="must be whole numbers in order of time, none missing"):
        Interactions(SCHEMA, **frames(events=events), is_time_comparable=False)
