import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_tf.datasets import load_parquet
from recsys_tf.schema import IdFeature, Schema, TaskSpec

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
