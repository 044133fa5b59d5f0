from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.features import Examples, make_dataset, make_record_dataset
from recsys_tf.features.shards import MANIFEST, BrokenExamplesError
from recsys_tf.features.tf_example import write_examples
from recsys_tf.schema import TaskSpec


def write(world, folder, **options):
    options = {"is_target_masked": False, "num_shards": 3, **options}
    examples = options.pop("examples", world.examples)
    write_examples(examples, world.catalogue, world.schema, folder, **options)
    return folder


@pytest.fixture(scope="module")
def others(plain_world):
    """The rows with their own item in the history."""
    return plain_world.make(plain_world.train, "others", plain_world.train)


@pytest.fixture(scope="module")
def folder(plain_world, others, tmp_path_factory):
    return write(plain_world, tmp_path_factory.mktemp("records"), examples=others)


def records(world, folder, batch_size=32, **options):
    schema = options.pop("schema", world.schema)
    return make_record_dataset(folder, world.preprocessor, schema, batch_size, **options)


def in_memory(world, examples, batch_size=32, **options):
    return make_dataset(
        examples, world.catalogue, world.preprocessor, world.schema, batch_size, **options
    )


def assert_equal_batches(found, wanted):
    assert found.element_spec == wanted.element_spec
    assert int(found.cardinality()) == int(wanted.cardinality())
    pairs = list(zip(found, wanted, strict=True))
    for one, other in pairs:
        tf.nest.map_structure(lambda x, y: np.testing.assert_array_equal(x, y), one, other)
    return len(pairs)


def rows(dataset):
    """A tuple for each row that tells it from all others."""
    return [
        (int(f["item_id"][k]), *map(float, f["age"][k]), float(y["click"][k]), *f["history"][k])
        for f, y, _ in dataset.as_numpy_iterator()
        for k in range(len(y["click"]))
    ]


@pytest.mark.parametrize("is_masked", [True, False])
@pytest.mark.parametrize("drop", [True, False])
def test_batches_are_those_of_the_rows_in_memory(plain_world, others, folder, is_masked, drop):
    options = {"is_target_masked": is_masked, "drop_remainder": drop}
    found = records(plain_world, folder, **options)
    assert assert_equal_batches(found, in_memory(plain_world, others, **options)) == 4 - drop


def test_texts_and_past_histories_are_those_of_the_rows_in_memory(world, tmp_path):
    write(world, tmp_path, num_shards=1)
    assert_equal_batches(records(world, tmp_path), in_memory(world, world.examples))


@pytest.mark.parametrize("history", ["past", "others"])
def test_own_item_is_written_and_read_as_in_memory(plain_world, tmp_path, history):
    examples = plain_world.make(plain_world.train, history, plain_world.train)
    kept, masked = (
        rows(in_memory(plain_world, examples, is_target_masked=flag)) for flag in (False, True)
    )
    expected = {"past": kept, "others": masked}[history]
    assert kept != masked
    assert rows(in_memory(plain_world, examples)) == expected
    write(plain_world, tmp_path / "whole", examples=examples)
    assert rows(records(plain_world, tmp_path / "whole")) == expected
    write(plain_world, tmp_path / "as told", examples=examples, is_target_masked=None)
    for found, wanted in zip(
        rows(records(plain_world, tmp_path / "as told")), expected, strict=True
    ):
        # An item that was not written leaves no gap.
        assert [each for each in found if each] == [each for each in wanted if each]


def test_unknown_items_of_a_history_stay_beside_an_unknown_own_item(
    plain_world, with_known_items, others, folder, tmp_path
):
    world = with_known_items(plain_world, 4)
    expected = in_memory(world, others, is_target_masked=True)
    assert_equal_batches(records(world, folder, is_target_masked=True), expected)
    written = write(world, tmp_path, examples=others, is_target_masked=True)
    for found, wanted in zip(rows(records(world, written)), rows(expected), strict=True):
        # An item that was not written leaves no gap.
        assert [each for each in found if each] == [each for each in wanted if each]


def test_histories_of_an_older_version_lose_the_own_item(plain_world, others, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "older")
    told = json.loads((tmp_path / "older" / MANIFEST).read_text())
    assert told.pop("has_target") is True
    (tmp_path / "older" / MANIFEST).write_text(json.dumps(told))
    found = records(plain_world, tmp_path / "older")
    assert_equal_batches(found, in_memory(plain_world, others, is_target_masked=True))


def test_every_row_comes_once_in_a_shuffled_epoch(plain_world, others, folder):
    dataset = records(plain_world, folder, shuffle_seed=3, shuffle_buffer=20)
    found, wanted = rows(dataset), rows(in_memory(plain_world, others))
    assert found != wanted
    assert sorted(found) == sorted(wanted)


def test_order_is_drawn_anew_each_epoch_and_equally_each_run(plain_world, folder):
    first, second = (records(plain_world, folder, shuffle_seed=1) for _ in range(2))
    one, two = rows(first), rows(first)
    assert one != two
    assert [rows(second), rows(second)] == [one, two]
    assert rows(records(plain_world, folder, shuffle_seed=2)) != one


def test_files_come_in_another_order_each_epoch(plain_world, others, tmp_path):
    # As many files as rows, and no row moves within the buffer: only the files' order is left.
    write(plain_world, tmp_path, examples=others, num_shards=100)
    dataset = records(plain_world, tmp_path, shuffle_seed=1, shuffle_buffer=1)
    one, two = rows(dataset), rows(dataset)
    assert one != two
    assert sorted(one) == sorted(two) == sorted(rows(in_memory(plain_world, others)))


def test_own_item_that_was_not_written_cannot_be_kept(plain_world, others, tmp_path):
    write(plain_world, tmp_path, examples=others, is_target_masked=True)
    features = next(iter(records(plain_world, tmp_path, batch_size=100)))[0]
    kept = next(iter(in_memory(plain_world, others, batch_size=100)))[0]
    # The same events, moved up over the gap.
    for found, wanted in zip(features["history"].numpy(), kept["history"].numpy(), strict=True):
        np.testing.assert_array_equal(found[found > 0], wanted[wanted > 0])
    with pytest.raises(ValueError, match="`is_target_masked` must be True for the examples in"):
        records(plain_world, tmp_path, is_target_masked=False)


def test_no_rows_make_no_batch(plain_world, tmp_path):
    write(plain_world, tmp_path, examples=plain_world.make(np.array([], int)))
    for seed in (None, 3):
        dataset = records(plain_world, tmp_path, shuffle_seed=seed)
        assert int(dataset.cardinality()) == 0
        assert list(dataset) == []


def test_broken_shard_is_refused(plain_world, tmp_path):
    write(plain_world, tmp_path)
    sorted(tmp_path.glob("*.gz"))[1].unlink()
    with pytest.raises(ValueError, match=r"not whole; .*\n  examples-00001-of-00003.gz: is absent"):
        records(plain_world, tmp_path)


def test_missing_manifest_is_refused(plain_world, tmp_path):
    write(plain_world, tmp_path)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(ValueError, match=r"holds no manifest.json: its writing was cut short"):
        records(plain_world, tmp_path)


@pytest.mark.parametrize("content", ['{"rows": {"exa', "", "[1]", "\xff"])
def test_manifest_that_was_cut_short_is_refused(plain_world, tmp_path, content):
    write(plain_world, tmp_path)
    (tmp_path / MANIFEST).write_bytes(content.encode("latin-1"))
    with pytest.raises(BrokenExamplesError, match=r"manifest.json` .* Write the examples again\."):
        records(plain_world, tmp_path)


def test_manifest_of_an_older_version_is_refused(plain_world, tmp_path):
    write(plain_world, tmp_path)
    told = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps({"rows": told["rows"]}))
    with pytest.raises(ValueError, match="does not tell 'columns': the examples were written by"):
        records(plain_world, tmp_path)


def test_labels_that_cannot_be_used_are_refused(plain_world, tmp_path):
    rating = plain_world.examples.columns["rating"].copy()
    rating[[3, 70]] = np.inf
    columns = {**plain_world.examples.columns, "rating": rating}
    write(plain_world, tmp_path, examples=Examples(columns, plain_world.examples.lists))
    with pytest.raises(ValueError, match="`rating` must be finite: 2 rows"):
        records(plain_world, tmp_path)


def test_label_that_was_not_written_is_named(plain_world, folder):
    task = TaskSpec(name="buy", kind="binary", label="buy")
    schema = plain_world.schema.model_copy(update={"tasks": (*plain_world.schema.tasks, task)})
    with pytest.raises(
        ValueError, match=re.escape("lack the column buy of `schema`; they have age")
    ):
        records(plain_world, folder, schema=schema)


@pytest.mark.parametrize("name", ["batch_size", "shuffle_buffer"])
def test_sizes_of_zero_are_refused(plain_world, folder, name):
    with pytest.raises(ValueError, match=f"`{name}` must be 1 or more, received 0"):
        records(plain_world, folder, **{name: 0})
