from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from recsys_tf.features.examples import Examples, ListColumn, catalogue_examples, make_examples
from recsys_tf.features.windows import history_windows
from recsys_tf.schema import HistoryFeature, IdFeature, Schema, TaskSpec

SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        HistoryFeature(name="history", side="user", of="item_id", values_name="ratings"),
        IdFeature(name="item_id", side="item"),
    ),
    tasks=(TaskSpec(name="rating", kind="regression", label="rating"),),
)
EVENTS = pd.DataFrame(
    {
        "user_id": ["a", "b", "a", "a", "a", ""],
        "item_id": ["x", "x", "y", "z", "w", "x"],
        "timestamp": [30, 1, 10, 30, 40, 50],
        "rating": [1.0, 2.0, 3.0, 4.0, 5.0, 1.0],
    }
)
USERS = pd.DataFrame({"user_id": ["a", "b"]})


def histories(examples, name="history"):
    return [examples.lists[name].row(row).tolist() for row in range(len(examples))]


def test_past_holds_strictly_earlier_events_oldest_first():
    examples = make_examples(SCHEMA, EVENTS, USERS, np.arange(6))
    assert histories(examples) == [["y"], [], [], ["y"], ["y", "x", "z"], []]
    assert histories(examples, "ratings") == [[3.0], [], [], [3.0], [3.0, 1.0, 4.0], []]


def test_history_tells_the_kind_and_the_time_of_its_events():
    told = HistoryFeature(
        name="history",
        side="user",
        of="item_id",
        times_name="moments",
        actions_name="stars",
        actions=("3", "4"),
        action_column="rating",
    )
    schema = SCHEMA.model_copy(update={"features": (SCHEMA.features[0], told, SCHEMA.features[2])})
    examples = make_examples(schema, EVENTS, USERS, np.array([4]))
    assert histories(examples, "moments") == [[10, 30, 30]]
    assert examples.lists["moments"].values.dtype == np.int64
    # A number is known by its digits.
    assert histories(examples, "stars") == [["3", "1", "4"]]
    with pytest.raises(ValueError, match="lacks the column 'rating'"):
        make_examples(schema, EVENTS.drop(columns="rating"), USERS, np.array([4]))


def test_others_holds_all_reference_events_of_the_user():
    examples = make_examples(SCHEMA, EVENTS, USERS, np.array([0, 4]), "others", np.array([0, 1, 2]))
    assert histories(examples) == [["y", "x"], ["y", "x"]]


def test_reference_rows_keep_held_out_events_out_of_the_past():
    examples = make_examples(SCHEMA, EVENTS, USERS, np.array([4]), reference_rows=np.array([2, 5]))
    assert histories(examples) == [["y"]]


def test_nobody_has_no_history_even_where_nobody_has_events():
    events = pd.concat([EVENTS, EVENTS.tail(1).assign(timestamp=60)], ignore_index=True)
    assert histories(make_examples(SCHEMA, events, USERS, np.array([6]))) == [[]]


def test_windows_equal_a_loop_over_the_rows():
    rng = np.random.default_rng(3)
    users = rng.choice(np.array(["a", "b", "c"], object), 200)
    times = rng.integers(0, 30, 200)
    reference = rng.permutation(200)[:120]
    for kind in ("past", "others"):
        order, starts, ends = history_windows(users, times, np.arange(200), reference, kind)
        for row in range(200):
            own = [k for k in sorted(reference, key=lambda k: times[k]) if users[k] == users[row]]
            wanted = [k for k in own if kind == "others" or times[k] < times[row]]
            found = order[starts[row] : ends[row]].tolist()
            assert sorted(found) == sorted(wanted)
            assert [times[k] for k in found] == sorted(times[k] for k in found)


def test_histories_cost_memory_by_event_and_not_by_row_times_length():
    num = 200_000
    events = pd.DataFrame(
        {
            "user_id": np.array(["one", "two"], object)[np.arange(num) % 2],
            "item_id": np.array(["x", "y"], object)[np.arange(num) % 2],
            "timestamp": np.arange(num),
            "rating": np.ones(num),
        }
    )
    users = pd.DataFrame({"user_id": ["one", "two"]})
    begin = time.perf_counter()
    column = make_examples(SCHEMA, events, users, np.arange(num)).lists["history"]
    # A copy of each history would be 10^10 values; a loop over the rows takes minutes.
    assert len(column.values) == num
    assert time.perf_counter() - begin < 30


def test_take_shares_the_values():
    examples = make_examples(SCHEMA, EVENTS, USERS, np.arange(6))
    taken = examples.take(np.array([4, 0]))
    assert histories(taken) == [["y", "x", "z"], ["y"]]
    assert taken.columns["rating"].tolist() == [5.0, 1.0]
    assert taken.lists["history"].values is examples.lists["history"].values


def test_user_that_the_users_frame_lacks_gets_missing_values(plain_world):
    world = plain_world
    examples = make_examples(world.schema, world.events, world.users[1:], world.train)
    row = int(np.flatnonzero(world.events.user_id[:100] == "u0")[0])
    assert examples.columns["gender"][row] == ""
    assert np.isnan(examples.columns["age"][row])
    assert examples.lists["tags"].row(row).tolist() == []


def test_users_features_follow_their_user(plain_world):
    for row in (0, 17, 99):
        raw = plain_world.raw(row)
        assert plain_world.examples.columns["gender"][row] == raw["gender"]
        assert plain_world.examples.lists["tags"].row(row).tolist() == raw["tags"]


def test_no_rows_make_examples_of_length_zero():
    examples = make_examples(SCHEMA, EVENTS, USERS, np.array([], int))
    assert len(examples) == 0


def test_missing_strings_become_empty_and_numbers_nan():
    events = EVENTS.assign(item_id=["x", None, np.nan, "x", "x", "x"], rating=[1, None] + [2.0] * 4)
    examples = make_examples(SCHEMA, events, USERS, np.arange(3))
    assert examples.columns["item_id"].tolist() == ["x", "", ""]
    assert np.isnan(examples.columns["rating"][1])


def test_category_of_strings_is_read_as_its_strings():
    events = EVENTS.assign(item_id=pd.Categorical(["x", None, "y", "x", "x", "x"]))
    examples = make_examples(SCHEMA, events, USERS, np.arange(3))
    assert examples.columns["item_id"].tolist() == ["x", "", "y"]
    numbers = EVENTS.assign(item_id=pd.Categorical([1, 2, 3, 1, 1, 1]))
    with pytest.raises(TypeError, match="`events.item_id` must hold strings .* integer values"):
        make_examples(SCHEMA, numbers, USERS, np.arange(3))


def test_told_way_to_strings_keeps_what_is_missing():
    mixed = EVENTS.assign(item_id=["x", None, 7, "x", "x", "x"])
    with pytest.raises(TypeError, match=r'`events.item_id` .*with `astype\("string"\)`'):
        make_examples(SCHEMA, mixed, USERS, np.arange(3))
    events = mixed.assign(item_id=mixed["item_id"].astype("string"))
    examples = make_examples(SCHEMA, events, USERS, np.arange(3))
    assert examples.columns["item_id"].tolist() == ["x", "", "7"]


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda e: e.drop(columns="rating"), ValueError, "`events` lacks the column 'rating'"),
        (lambda e: e.rename(columns={"item_id": "itemid"}), ValueError, "Did you mean 'itemid'"),
        (lambda e: e.assign(user_id=1), TypeError, "`events.user_id` must hold strings .* integer"),
        (lambda e: e.assign(user_id=1.5), TypeError, "`events.user_id` .* floating .* no ids"),
        (lambda e: e.assign(rating="5"), TypeError, "`events.rating` must hold numbers .* object"),
        (lambda e: e.assign(user_id=1), TypeError, r'with `astype\("string"\)`'),
        (lambda e: e.assign(timestamp=0.5), TypeError, "`events.timestamp` must hold whole num"),
        (
            lambda e: e.assign(timestamp=pd.Timestamp(0)),
            TypeError,
            r"received dtype datetime64.* convert .* with `\(column - pandas.Timestamp\(0\)\)",
        ),
        (
            lambda e: e.assign(timestamp=pd.Timestamp(0, tz="UTC")),
            TypeError,
            r"received dtype datetime64.* with `\(column - pandas.Timestamp\(0, tz='UTC'\)\)",
        ),
        (
            lambda e: e.assign(rating=pd.Timestamp(0)),
            TypeError,
            r"must hold numbers .* with `\(column - pandas.Timestamp\(0\)\) // ",
        ),
        (
            lambda e: e.assign(timestamp=pd.array([1, None] * 3, "Int64")),
            TypeError,
            "`events.timestamp` must hold whole .* Int64 with 1 missing",
        ),
        (
            lambda e: pd.concat([e, e.rating], axis=1),
            ValueError,
            r"`events.rating` must be one column \(rank 1\), received rank 2",
        ),
    ],
)
def test_wrong_columns_are_named(change, error, text):
    with pytest.raises(error, match=text.replace("object", "(object|str)")):
        make_examples(SCHEMA, change(EVENTS), USERS, np.arange(2))


def test_user_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match=r"`users.user_id` must hold each id once, 1 are .* 'a'"):
        make_examples(SCHEMA, EVENTS, USERS.assign(user_id="a"), np.arange(2))


def test_position_outside_the_events_is_refused():
    with pytest.raises(ValueError, match=r"`reference_rows` must be positions .* 0 to 5, .* 9"):
        make_examples(SCHEMA, EVENTS, USERS, np.arange(2), reference_rows=np.array([9]))


def test_unknown_kind_of_history_is_refused():
    with pytest.raises(ValueError, match="`history` must be one of 'others', 'past'"):
        make_examples(SCHEMA, EVENTS, USERS, np.arange(2), "passed")


def test_values_without_a_source_are_refused():
    schema = SCHEMA.model_copy(update={"tasks": (TaskSpec(name="t", kind="retrieval"),)})
    with pytest.raises(ValueError, match="`values_column` must name the column of `events`"):
        make_examples(schema, EVENTS, USERS, np.arange(2))
    examples = make_examples(schema, EVENTS, USERS, np.array([4]), values_column="timestamp")
    assert histories(examples, "ratings") == [[10.0, 30.0, 30.0]]


def test_list_that_is_a_string_is_refused(plain_world):
    items = plain_world.items.assign(genres="g1|g2")
    with pytest.raises(TypeError, match=r"`items.genres` must hold a list .* str 'g1\|g2'"):
        catalogue_examples(plain_world.schema, items)


def test_vector_of_another_length_is_refused(plain_world):
    items = plain_world.items.assign(image=[[1.0, 2.0]] * 15)
    with pytest.raises(ValueError, match=r"`items.image` must hold 3 numbers .* \(2,\) at row 0"):
        catalogue_examples(plain_world.schema, items)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="All columns must have as many rows"):
        Examples({"a": np.zeros(2), "b": np.zeros(3)})


def test_name_in_columns_and_lists_is_refused():
    with pytest.raises(ValueError, match=r"\['a'\] stand in both"):
        Examples({"a": np.zeros(1)}, {"a": ListColumn(np.zeros(1), np.zeros(1, int), np.ones(1))})


def test_window_outside_the_values_is_refused():
    with pytest.raises(ValueError, match=r"0 <= start <= end <= 2"):
        ListColumn(np.zeros(2), np.array([0]), np.array([3]))
    with pytest.raises(ValueError, match="of rank 1 and of one length"):
        ListColumn(np.zeros(2), np.array([0]), np.array([1, 2]))
