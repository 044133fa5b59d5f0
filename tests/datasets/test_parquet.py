import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_tf import DataConfig, RunConfig
from recsys_tf.cli.data import write_frames
from recsys_tf.datasets import (
    DataDescription,
    load_configured,
    load_dataset,
    load_parquet,
    load_synthetic,
    make_split,
)
from recsys_tf.schema import (
    CategoricalFeature,
    EmbeddingFeature,
    HistoryFeature,
    IdFeature,
    NumericFeature,
    Schema,
    TaskSpec,
)

IDS = (IdFeature(name="user_id", side="user"), IdFeature(name="item_id", side="item"))
SCHEMA = Schema(
    features=(
        *IDS,
        HistoryFeature(name="history", side="user", of="item_id"),
        CategoricalFeature(name="device", side="context"),
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="tags", side="item", is_multivalent=True),
        EmbeddingFeature(name="image", side="item", size=2),
    ),
    tasks=(
        TaskSpec(name="watch", kind="retrieval"),
        TaskSpec(name="rating", kind="regression", label="stars", value_range=(1, 5)),
        TaskSpec(name="click", kind="binary", label="click", sample_weight="weight"),
    ),
)
ID_SCHEMA = Schema(features=IDS, tasks=(TaskSpec(name="watch", kind="retrieval"),))
EVENTS = {
    "user_id": [7, 7, 8],
    "item_id": ["x", "y", "x"],
    "timestamp": [100, 200, 300],
    "device": ["tv", None, "phone"],
    "stars": [4, None, 1.5],
    "click": [True, False, None],
    "weight": [1.0, 0.5, 0.0],
    "session": ["not", "asked", "for"],
}
USERS = {"user_id": [7, 8], "age": [31, None]}
ITEMS = {
    "item_id": ["x", "y"],
    "title": ["X", None],
    "tags": [["a", "b"], None],
    "image": [[0.5, 1.0], None],
}


def write(folder, events=None, users=None, items=None):
    folder.mkdir(exist_ok=True)
    frames = {"events": EVENTS, "users": USERS, "items": ITEMS}
    changes = {"events": events, "users": users, "items": items}
    for name, columns in frames.items():
        table = pa.table({**columns, **(changes[name] or {})})
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def reasons(data, source="events.parquet"):
    rows = data.rejections.rows[data.rejections.rows["source"] == source]
    return dict(zip(rows["line"], rows["reason"], strict=True))


def ids_only(folder, **columns):
    folder.mkdir(exist_ok=True)
    made = {"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [1, 2], **columns}
    pq.write_table(pa.table(made), folder / "events.parquet")
    return load_parquet(folder, ID_SCHEMA)


def test_columns_of_the_schema_get_their_types(tmp_path):
    data = load_parquet(write(tmp_path), SCHEMA)
    assert data.events.to_dict("list")["user_id"] == ["7", "7", "8"]
    assert data.events["timestamp"].dtype == np.int64
    assert data.events["device"].tolist() == ["tv", "", "phone"]
    np.testing.assert_array_equal(data.events["stars"], [4, np.nan, 1.5])
    np.testing.assert_array_equal(data.events["click"], [1, 0, np.nan])
    assert "session" not in data.events
    np.testing.assert_array_equal(data.users["age"], [31, np.nan])
    assert data.items["tags"].tolist() == [["a", "b"], []]
    assert data.items["title"].tolist() == ["X", ""]
    assert data.items["image"][0].tolist() == [0.5, 1.0]
    assert data.items["image"][1] is None
    assert data.title_column == "title"
    assert data.rejections.summary().splitlines() == [
        "events.parquet: 3 rows read, 3 kept, none rejected",
        "items.parquet: 2 rows read, 2 kept, none rejected",
        "users.parquet: 2 rows read, 2 kept, none rejected",
    ]


@pytest.mark.parametrize(
    ("column", "values"), [("session", ["not", "asked", "for"]), ("stars", [4, np.nan, 1.5])]
)
def test_kinds_of_action_are_read_as_what_they_are(tmp_path, column, values):
    told = {"actions_name": "kinds", "actions": ("asked", "4"), "action_column": column}
    features = tuple(
        each.model_copy(update=told) if each.kind == "history" else each for each in SCHEMA.features
    )
    data = load_parquet(write(tmp_path), SCHEMA.model_copy(update={"features": features}))
    np.testing.assert_array_equal(
        data.events[column].to_numpy(), np.array(values, data.events[column].dtype)
    )


def test_written_frames_are_read_back(tmp_path):
    data = load_synthetic(num_users=20, num_items=20, num_events=150)
    split = make_split(data, DataConfig(split="random"))
    write_frames(data, split, tmp_path / "frames")
    read = load_dataset("parquet", tmp_path / "frames")
    assert read.schema == data.schema
    assert read.rejections.num_rejected == 0
    for name in ("events", "users", "items"):
        found, wanted = getattr(read, name), getattr(data, name)
        pd.testing.assert_frame_equal(found, wanted[found.columns], check_names=False)


def test_description_keeps_what_the_files_do_not_tell(tmp_path):
    ids_only(tmp_path)
    told = DataDescription(
        features_and_tasks=ID_SCHEMA, title_column="item_id", is_time_comparable=False
    )
    told.to_yaml(tmp_path / "dataset.yaml")
    data = load_parquet(tmp_path)
    assert (data.title_column, data.is_time_comparable) == ("item_id", False)
    with pytest.raises(ValueError, match="`split` must not be 'time'"):
        make_split(data, DataConfig())


def test_configuration_alone_names_files_and_schema(tmp_path):
    folder = write(tmp_path / "mine")
    values = {"dataset": "parquet", "folder": str(folder)}
    run = RunConfig.from_dict({"data": values, "features_and_tasks": SCHEMA.to_dict()})
    run.to_yaml(tmp_path / "run.yaml")
    data = load_configured(RunConfig.from_yaml(tmp_path / "run.yaml"))
    assert (len(data), data.schema) == (3, SCHEMA)


def test_schema_of_the_run_comes_before_the_folder_s_own(tmp_path):
    folder = write(tmp_path)
    DataDescription(features_and_tasks=SCHEMA).to_yaml(folder / "dataset.yaml")
    assert load_parquet(folder, ID_SCHEMA).schema == ID_SCHEMA
    assert load_parquet(folder).schema == SCHEMA


def test_part_files_are_read_in_the_order_of_their_names(tmp_path):
    for name, user in (("b", "2"), ("a", "1"), ("day=3/c", "3")):
        path = tmp_path / "events" / f"part-{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {"user_id": [user, ""], "item_id": ["x", "x"], "timestamp": [5, 6]}
        pq.write_table(pa.table(columns), path)
    data = load_parquet(tmp_path, ID_SCHEMA)
    assert data.events["user_id"].tolist() == ["1", "2", "3"]
    assert reasons(data, "events") == dict.fromkeys((2, 4, 6), "user_id: empty")


def test_users_and_items_without_features_need_no_file(tmp_path):
    data = ids_only(tmp_path)
    assert data.users["user_id"].tolist() == ["a", "b"]
    assert data.items["item_id"].tolist() == ["x", "y"]
    assert data.title_column == "item_id"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("user_id", None, "user_id: empty"),
        ("item_id", " ", "item_id: empty"),
        ("item_id", "x" * 257, "item_id: longer than 256 characters"),
        ("timestamp", None, "timestamp: empty"),
        ("timestamp", float("nan"), "timestamp: empty"),
        ("timestamp", float("inf"), "timestamp: not finite"),
        ("timestamp", -5, "timestamp: outside [0, 4102444800]"),
        ("timestamp", 0.5, "timestamp: not a whole number"),
        ("timestamp", 881_250_949_000, "timestamp: in another unit than the column"),
        ("stars", 6, "stars: outside [1, 5]"),
        ("stars", float("inf"), "stars: not finite"),
        ("weight", None, "weight: empty"),
        ("weight", -1, "weight: outside [0, inf]"),
    ],
)
def test_bad_event_is_counted_and_kept_aside(tmp_path, column, value, reason):
    bad = [*EVENTS[column][:2], value]
    data = load_parquet(write(tmp_path, events={column: bad}), SCHEMA)
    assert reasons(data) == {3: reason}
    assert len(data) == 2
    text = data.rejections.rows["text"].iloc[0]
    assert f"{column}={value}"[:180] in text


def test_of_many_refused_events_all_are_counted_and_the_first_1000_shown(tmp_path):
    columns = {name: values[:1] * 1_200 for name, values in EVENTS.items()}
    bad = {**columns, "timestamp": [None] * 1_199 + [100]}
    data = load_parquet(write(tmp_path, events=bad), SCHEMA)
    rows = data.rejections.rows
    assert data.rejections.counts == {"timestamp: empty": 1_199}
    assert rows["line"].tolist() == list(range(1, 1_200))
    assert rows["text"].str.contains("timestamp=None").tolist() == [True] * 1_000 + [False] * 199


def test_bad_users_and_items_are_kept_aside_and_their_events_kept(tmp_path):
    write(tmp_path, users={"age": [31, float("inf")]}, items={"image": [[1.0], [2.0, 3.0]]})
    data = load_parquet(tmp_path, SCHEMA)
    assert reasons(data, "users.parquet") == {2: "age: not finite"}
    assert reasons(data, "items.parquet") == {1: "image: 1 numbers instead of 2"}
    assert len(data) == 3
    assert len(data.rejections.notes) == 2
    item = data.items.set_index("item_id").loc["x"]
    assert (item["title"], item["tags"], item["image"]) == ("", [], None)


def test_repeated_events_users_and_items_are_refused_after_the_first(tmp_path):
    write(
        tmp_path,
        events={"user_id": [7, 7, 7], "item_id": ["x"] * 3, "timestamp": [1, 1, 2]},
        users={"user_id": [7, 7]},
        items={"item_id": ["x", "x"]},
    )
    data = load_parquet(tmp_path, SCHEMA)
    assert reasons(data) == {2: "a repeated (user_id, item_id, timestamp)"}
    assert reasons(data, "users.parquet") == {2: "a repeated (user_id)"}
    assert reasons(data, "items.parquet") == {2: "a repeated (item_id)"}


@pytest.mark.parametrize(
    "moments",
    [
        pa.array([1_600_000_000, 1_600_000_060]),
        pa.array([1_600_000_000_000, 1_600_000_060_999]),
        pa.array([1_600_000_000, 1_600_000_060], pa.timestamp("s")),
        pa.array([1_600_000_000_000_000, 1_600_000_060_999_999], pa.timestamp("us", "UTC")),
        pa.array([1_600_000_000, 1_600_000_060], pa.timestamp("s", "Europe/Berlin")),
    ],
    ids=["seconds", "milliseconds", "moments", "UTC", "another zone"],
)
def test_times_of_any_kind_become_seconds(tmp_path, moments):
    data = ids_only(tmp_path, timestamp=moments)
    assert data.events["timestamp"].tolist() == [1_600_000_000, 1_600_000_060]


def test_days_become_their_first_second(tmp_path):
    days = pa.array([datetime.date(1970, 1, 2), datetime.date(1969, 12, 31)])
    data = ids_only(tmp_path, timestamp=days)
    assert data.events["timestamp"].tolist() == [86_400]
    assert reasons(data) == {2: "timestamp: outside [0, 4102444800]"}


def test_dictionaries_and_large_strings_are_read_as_what_they_stand_for(tmp_path):
    users = pa.array(["b", "a", None]).dictionary_encode()
    items = pa.array(["x", "y", "z"], pa.large_string())
    data = ids_only(tmp_path, user_id=users, item_id=items, timestamp=[1, 2, 3])
    assert data.events["user_id"].tolist() == ["b", "a"]
    assert data.events["item_id"].tolist() == ["x", "y"]
    assert reasons(data) == {3: "user_id: empty"}


def test_columns_of_nothing_but_nulls_are_missing_values(tmp_path):
    nothing = pa.nulls(2)
    write(tmp_path, items={"tags": nothing, "image": nothing}, users={"age": nothing})
    data = load_parquet(tmp_path, SCHEMA)
    assert data.items["tags"].tolist() == [[], []]
    assert data.items["image"].tolist() == [None, None]
    assert data.users["age"].isna().all()


@pytest.mark.parametrize(
    ("frame", "changes", "text"),
    [
        ("events", {"user_id": [7.0, 7.0, 8.0]}, r"`events.parquet`: `user_id` must hold strings "
         r"or whole numbers, .* double. Numbers with a point are no names"),
        ("events", {"timestamp": ["a", "b", "c"]}, "whole seconds, .* string. Parse the texts"),
        ("events", {"stars": ["a", "b", "c"]}, "`stars` must hold numbers, .* string"),
        ("items", {"tags": ["a|b", "c"]}, "must hold lists of strings, .* string. Split it before"),
        ("items", {"image": [["a"], ["b"]]}, "`image` must hold lists of numbers"),
    ],
)  # fmt: skip
def test_columns_of_another_type_are_told(tmp_path, frame, changes, text):
    write(tmp_path, **{frame: changes})
    with pytest.raises(TypeError, match=text):
        load_parquet(tmp_path, SCHEMA)


def test_missing_columns_are_told_together_with_the_nearest(tmp_path):
    write(tmp_path)
    table = pa.table({**EVENTS, "star": EVENTS["stars"]}).drop(["stars", "click"])
    pq.write_table(table, tmp_path / "events.parquet")
    with pytest.raises(ValueError, match=r"lacks 2 of 7 columns: .*Did you mean 'star'") as error:
        load_parquet(tmp_path, SCHEMA)
    assert "received 'click'" in str(error.value)


def test_missing_files_are_told_with_what_they_must_hold(tmp_path):
    write(tmp_path)
    (tmp_path / "users.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold users.parquet, or .* user_id, age; it"):
        load_parquet(tmp_path, SCHEMA)
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        load_parquet(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"`folder` must name .*`data.folder`"):
        load_parquet()


def test_folder_without_a_schema_is_told_where_to_put_one(tmp_path):
    with pytest.raises(
        ValueError, match=r"`schema` must tell .* `features_and_tasks`, or put a da"
    ):
        load_parquet(write(tmp_path))


def test_files_that_are_no_parquet_or_hold_no_row_are_refused(tmp_path):
    (tmp_path / "events.parquet").write_bytes(b"user_id,item_id\n")
    with pytest.raises(ValueError, match=r"events.parquet` cannot be read: "):
        load_parquet(tmp_path, ID_SCHEMA)
    empty = pa.table({name: pa.array([], pa.string()) for name in ("user_id", "item_id")})
    empty = empty.append_column("timestamp", pa.array([], pa.int64()))
    pq.write_table(empty, tmp_path / "events.parquet")
    with pytest.raises(ValueError, match="`events.parquet` has no row"):
        load_parquet(tmp_path, ID_SCHEMA)


def test_file_without_one_good_row_is_refused_with_the_reasons(tmp_path):
    with pytest.raises(ValueError, match=r"No row .* used.\n.*2 rejected \(2 user_id: empty"):
        ids_only(tmp_path, user_id=[None, ""])
