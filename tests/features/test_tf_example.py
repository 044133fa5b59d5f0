from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.features.shards import MANIFEST, check_shards
from recsys_tf.features.tf_example import parse_raw, read_examples, write_examples


def write(world, folder, **options):
    return write_examples(world.examples, world.catalogue, world.schema, folder, **options)


def test_written_rows_are_read_back(plain_world, tmp_path):
    counts = write(plain_world, tmp_path)
    assert counts == {"examples-00000-of-00001.gz": 100}
    dataset = read_examples(tmp_path)
    assert int(dataset.cardinality()) == 100
    raw = parse_raw(next(iter(dataset.batch(200))), plain_world.schema, has_labels=True)
    for row in range(100):
        wanted = plain_world.raw(row)
        for name, value in wanted.items():
            found = raw[name][row].numpy()
            if name in ("tags", "history", "genres", "surfaces"):
                assert [each.decode() for each in found] == value
            elif isinstance(value, str):
                assert found.decode() == value
            else:
                np.testing.assert_array_equal(found, np.float32(value))
    np.testing.assert_array_equal(raw["rating"], plain_world.events.rating[:100].astype(np.float32))
    np.testing.assert_array_equal(raw["timestamp"], plain_world.events.timestamp[:100])


def test_own_item_is_left_out_where_it_is_asked_for(plain_world, tmp_path):
    write(plain_world, tmp_path, is_target_masked=True)
    raw = parse_raw(next(iter(read_examples(tmp_path).batch(200))), plain_world.schema)
    for row in range(100):
        wanted = plain_world.raw(row, is_target_masked=True)["history"]
        assert [each.decode() for each in raw["history"][row].numpy()] == wanted


def test_more_of_a_history_is_written_than_is_read_where_it_is_asked_for(plain_world, tmp_path):
    histories = plain_world.examples.lists["history"]
    lengths = np.minimum(histories.ends - histories.starts, 7)
    assert lengths.max() > plain_world.schema.history.max_length
    write(plain_world, tmp_path, is_target_masked=False, max_history=7)
    raw = parse_raw(next(iter(read_examples(tmp_path).batch(200))), plain_world.schema)
    np.testing.assert_array_equal(raw["history"].row_lengths(), lengths)
    # What is read is the same.
    write(plain_world, tmp_path, is_target_masked=False)
    short = parse_raw(next(iter(read_examples(tmp_path).batch(200))), plain_world.schema)
    features, expected = (plain_world.preprocessor(each) for each in (raw, short))
    for name, values in expected.items():
        np.testing.assert_array_equal(features[name], values)


def test_shards_hold_all_rows_and_replace_older_ones(plain_world, tmp_path):
    write(plain_world, tmp_path, num_shards=2)
    # What a killed run left.
    (tmp_path / "writing-examples-00001-of-00002.gz").write_bytes(b"half")
    counts = write(plain_world, tmp_path, num_shards=3)
    assert list(counts.values()) == [34, 33, 33]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*sorted(counts), MANIFEST]
    assert sum(1 for _ in read_examples(tmp_path)) == 100


def test_empty_example_parses_to_missing_values(plain_world):
    raw = parse_raw(tf.constant([b"", b""]), plain_world.schema, has_labels=True)
    features = plain_world.preprocessor(raw)
    assert {float(np.abs(value).sum()) for value in features.values()} == {0.0}
    assert np.isnan(raw["rating"]).all()
    assert parse_raw(tf.constant([], tf.string), plain_world.schema)["user_id"].shape == (0,)


def test_shard_that_was_cut_short_is_found(plain_world, tmp_path):
    write(plain_world, tmp_path, num_shards=3)
    first, second, third = sorted(tmp_path.glob("*.gz"))
    rows = gzip.decompress(first.read_bytes())
    first.write_bytes(gzip.compress(rows[:-1]))
    rows = gzip.decompress(second.read_bytes())
    length = 16 + int.from_bytes(rows[:8], "little")
    second.write_bytes(gzip.compress(rows[length:]))
    third.unlink()
    with pytest.raises(ValueError, match="The examples are not whole") as error:
        read_examples(tmp_path)
    lines = str(error.value).splitlines()[1:]
    assert lines[0].startswith("  examples-00000-of-00003.gz: cannot be read after about 0 rows (")
    assert lines[1] == "  examples-00001-of-00003.gz: holds 32 rows, the manifest says 33"
    assert lines[2] == "  examples-00002-of-00003.gz: is absent"


def test_shard_whose_compression_was_cut_short_is_found(plain_world, tmp_path):
    # Whether the reader stops with an error or at the last whole row depends on the bytes.
    write(plain_world, tmp_path)
    (path,) = tmp_path.glob("*.gz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cannot be read|the manifest says 100"):
        check_shards(tmp_path)


def test_same_rows_give_the_same_bytes(plain_world, tmp_path):
    write(plain_world, tmp_path / "one")
    write(plain_world, tmp_path / "two")
    (one,), (two,) = (tuple((tmp_path / name).glob("*.gz")) for name in ("one", "two"))
    assert gzip.decompress(one.read_bytes()) == gzip.decompress(two.read_bytes())


def test_changed_byte_is_found(plain_world, tmp_path):
    write(plain_world, tmp_path)
    (path,) = tmp_path.glob("*.gz")
    rows = bytearray(gzip.decompress(path.read_bytes()))
    rows[40] ^= 1
    path.write_bytes(gzip.compress(bytes(rows)))
    with pytest.raises(ValueError, match=r"(?s)cannot be read .*corrupted record at 12"):
        check_shards(tmp_path)


def test_folder_without_a_manifest_is_refused(plain_world, tmp_path):
    with pytest.raises(ValueError, match=r"holds no manifest.json: its writing was cut short"):
        read_examples(tmp_path)
    write(plain_world, tmp_path)
    assert json.loads((tmp_path / MANIFEST).read_text())["rows"]


def test_no_shards_are_refused(plain_world, tmp_path):
    with pytest.raises(ValueError, match="`num_shards` must be 1 or more, received 0"):
        write(plain_world, tmp_path, num_shards=0)
