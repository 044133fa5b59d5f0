import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_tf.datasets import load_parquet
from recsys_tf.datasets.arrow_values import common_type
from recsys_tf.schema import CategoricalFeature, IdFeature, Schema, TaskSpec

SCHEMA = Schema(
    features=(IdFeature(name="user_id", side="user"), IdFeature(name="item_id", side="item")),
    tasks=(
        TaskSpec(name="watch", kind="retrieval"),
        TaskSpec(name="click", kind="binary", label="click"),
    ),
)


@pytest.fixture
def write_parts(tmp_path):
    """Writes a file of one event for each of these columns beside the ids and the time."""

    def write(**parts):
        (tmp_path / "events").mkdir()
        for number, (name, columns) in enumerate(parts.items()):
            ids = {"user_id": [f"u{number}"], "item_id": ["x"], "timestamp": [number]}
            pq.write_table(pa.table({**ids, **columns}), tmp_path / "events" / f"{name}.parquet")
        return tmp_path

    return write


def test_part_files_may_differ_in_columns_that_nobody_wants_and_in_their_order(write_parts):
    folder = write_parts(
        a={"session": ["s"], "click": [True]},
        b={"click": [False], "other": [1]},
        c={"click": [None]},
    )
    clicks = load_parquet(folder, SCHEMA).events["click"].tolist()
    assert clicks[:2] == [1, 0]
    assert clicks[2] != clicks[2]


@pytest.mark.parametrize("lacking", ["a", "b"])
def test_part_file_that_lacks_a_wanted_column_is_named(write_parts, lacking):
    parts = {"a": {"click": [True]}, "b": {"click": [True]}, lacking: {"clicks": [True]}}
    folder = write_parts(**parts)
    text = rf"events/{lacking}.parquet` lacks 1 of 4 columns: .* received 'click'.*mean 'clicks'"
    with pytest.raises(ValueError, match=text):
        load_parquet(folder, SCHEMA)


def test_part_file_that_is_no_parquet_is_refused(write_parts):
    folder = write_parts(a={"click": [True]}, b={"click": [True]})
    (folder / "events" / "b.parquet").write_bytes(b"user_id,item_id\n")
    with pytest.raises(ValueError, match=r"a.parquet` and its like cannot be read: .*b\.parquet"):
        load_parquet(folder, SCHEMA)


def test_part_file_of_seconds_beside_one_of_moments_is_refused(write_parts):
    moment = datetime.datetime(2020, 1, 1)
    folder = write_parts(
        a={"click": [True], "timestamp": [moment]},
        b={"click": [True], "timestamp": [1_577_836_800]},
    )
    text = (
        r"`timestamp` must be of one kind .* timestamp\[us\] in `.*a.parquet` and int64 in `.*b.p"
    )
    with pytest.raises(ValueError, match=text):
        load_parquet(folder, SCHEMA)


def test_ids_of_numbers_beside_ids_of_strings_are_refused(write_parts):
    folder = write_parts(
        a={"click": [None], "user_id": [7]},
        b={"click": [True], "user_id": ["007"]},
        c={"click": [True], "user_id": [8]},
    )
    text = r"`user_id` must be of one kind .* int64 in `.*a.parquet` and string in `.*b.parquet`"
    with pytest.raises(ValueError, match=text):
        load_parquet(folder, SCHEMA)


def test_column_without_a_value_in_the_first_file_takes_the_type_of_the_next(write_parts):
    schema = SCHEMA.model_copy(
        update={"features": (*SCHEMA.features, CategoricalFeature(name="device", side="context"))}
    )
    folder = write_parts(
        a={"click": [None], "device": pa.nulls(1)}, b={"click": [0.5], "device": ["tv"]}
    )
    events = load_parquet(folder, schema).events
    assert events["device"].tolist() == ["", "tv"]
    assert events["click"].tolist()[1] == 0.5


def test_numbers_strings_lists_and_moments_take_their_widest_type(write_parts):
    ids = pa.array(["u0"]).dictionary_encode()
    moment = pa.array([1_577_836_800], pa.timestamp("s"))
    folder = write_parts(
        a={"click": pa.array([1], pa.int8()), "user_id": ids, "timestamp": moment},
        b={"click": [0.5], "timestamp": moment.cast(pa.timestamp("us", "UTC"))},
        c={
            "click": [2**40],
            "user_id": pa.array(["u2"], pa.large_string()),
            "timestamp": moment.cast(pa.timestamp("ms")),
        },
    )
    events = load_parquet(folder, SCHEMA).events
    assert events["click"].tolist() == [1, 0.5, 2**40]
    assert events["user_id"].tolist() == ["u0", "u1", "u2"]
    assert set(events["timestamp"]) == {1_577_836_800}
    lists = [pa.list_(pa.null()), pa.large_list(pa.string())]
    assert common_type(lists) == pa.list_(pa.string())
    assert common_type([pa.list_(pa.string()), pa.list_(pa.int64())]) is None
    assert common_type([pa.list_(pa.string()), ids.type]) is None
    assert common_type([pa.bool_(), pa.int64()]) is None
