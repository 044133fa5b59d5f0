"""Ids of which there are too many: hashed, composed, counted; and tables that do not fit."""

import keras
import numpy as np
import pytest

from recsys_tf.layers import CompositionalTable, EmbeddingTable, FrequencyGate, HashedIds
from recsys_tf.layers import table_memory as memory

IDS = np.arange(2, 20_002)


@pytest.mark.parametrize("ids", [IDS, IDS * 2**40 + 7, -IDS])
def test_hashes_fill_the_buckets_evenly(ids):
    rows = np.array(HashedIds(100)(ids))
    assert rows.min() == 2
    assert rows.max() == 101
    counts = np.bincount(rows[:, 0], minlength=102)[2:]
    # 200 each on average, with a standard deviation of 14.
    assert 130 < counts.min() < counts.max() < 280


def test_two_functions_collide_seldom_together(rng):
    rows = np.array(HashedIds(1000)(rng.integers(2, 2**62, 1000)))
    # 1000 (1 - 1 / e) = 632 buckets of one function are taken; of pairs, but 0.5 share both.
    assert 590 < len(np.unique(rows[:, 0])) < 675
    assert len(np.unique(rows, axis=0)) >= 996


def test_hash_is_that_of_its_formula():
    layer = HashedIds(1000, num_hashes=1, seed=3)
    factors, offsets = layer._factors.astype(object), layer._offsets.astype(object)
    for number in (123_456_789_012, 2**63 - 1, -5):
        digits = [(number >> (14 * place)) & 0x3FFF for place in range(5)]
        high, low = (
            (offsets[k] + sum(d * f for d, f in zip(digits, factors[:, k], strict=True))) % 32_749
            for k in (0, 1)
        )
        assert int(layer(np.array([number]))[0, 0]) == (high * 32_749 + low) % 1000 + 2


@pytest.mark.parametrize("seed", range(5))
def test_ids_as_far_apart_as_the_prime_share_no_rows(seed):
    layer = HashedIds(10_000_000, num_hashes=3, seed=seed)
    first = np.array([2, 5, 5, 2**14 + 2, 2**40])
    second = np.array([32_751, 5 + 32_749, 5 + 2**32, 2**14 + 2 + 32_749, 2**40 + 32_749])
    assert (np.array(layer(first)) != np.array(layer(second))).all()


def test_a_million_ids_in_ten_million_buckets_share_no_pair_of_rows():
    rows = np.sort(np.array(HashedIds(10_000_000)(np.arange(2, 1_000_002))).astype("int64"), axis=1)
    # 5e11 pairs of ids, of which one in 5e13 shares both rows.
    assert len(np.unique(rows[:, 0] * 10**8 + rows[:, 1])) == 1_000_000


def test_whole_vectors_are_shared_at_the_stated_rate(rng):
    # 1000 ids are 499,500 pairs, of which 2 / 40^2 share both rows: 624, and over 20 seeds 12,488.
    ids = rng.choice(10**6, 1000, replace=False) + 2
    shared = 0
    for seed in range(20):
        rows = np.sort(np.array(HashedIds(40, seed=seed)(ids)), axis=1)
        counts = np.unique(rows, axis=0, return_counts=True)[1]
        shared += (counts * (counts - 1) // 2).sum()
    assert 11_500 < shared < 13_500


def test_id_is_hashed_alike_in_every_type_that_holds_it():
    wide = np.array(HashedIds(1000)(IDS))
    for dtype in ("int32", "uint32", "uint64"):
        np.testing.assert_array_equal(HashedIds(1000)(IDS.astype(dtype)), wide)
    below = np.array(HashedIds(1000)(-IDS))
    np.testing.assert_array_equal(HashedIds(1000)((-IDS).astype("int32")), below)
    np.testing.assert_array_equal(HashedIds(1000)((-IDS).astype("uint64")), below)
    small = np.array([-7, -1, 0, 1, 2, 127])
    np.testing.assert_array_equal(HashedIds(9)(small.astype("int8")), HashedIds(9)(small))


def test_large_ids_without_a_sign_are_told_apart():
    ids = np.array([5, 5 + 2**32, 5 + 2**63], "uint64")
    assert len(np.unique(np.array(HashedIds(10_000)(ids))[:, 0])) == 3
    ids = np.array([5, 5 + 2**31], "uint32")
    assert len(np.unique(np.array(HashedIds(10_000)(ids))[:, 0])) == 2


def test_other_seeds_hash_otherwise():
    assert (np.array(HashedIds(1000, seed=1)(IDS)) != np.array(HashedIds(1000)(IDS))).mean() > 0.9


def test_too_many_buckets_are_refused():
    with pytest.raises(ValueError, match="`num_buckets` must be at most 100,000,000"):
        HashedIds(10**9)


@pytest.mark.parametrize("operation", ["multiply", "add"])
def test_vector_is_composed_of_quotient_and_remainder(operation):
    table = CompositionalTable(10, 2, num_remainders=4, operation=operation)
    found = np.array(table(np.array([7, 0])))
    quotients, remainders = (np.array(each) for each in table.weights)
    assert quotients.shape == (3, 2)
    join = np.multiply if operation == "multiply" else np.add
    np.testing.assert_allclose(found[0], join(quotients[1], remainders[3]), rtol=1e-6)
    np.testing.assert_array_equal(found[1], [0, 0])


def test_a_million_ids_take_two_tables_of_a_thousand_rows():
    table = CompositionalTable(1_000_000, 3)
    table.build((None,))
    assert [tuple(each.shape) for each in table.weights] == [(1000, 3), (1000, 3)]


def test_every_id_has_a_vector_of_its_own():
    vectors = np.array(CompositionalTable(1000, 4)(np.arange(1, 1000)))
    assert len(np.unique(vectors, axis=0)) == 999


def test_unknown_operation_is_refused():
    with pytest.raises(ValueError, match="`operation` must be 'multiply' or 'add'"):
        CompositionalTable(10, 2, operation="xor")


def test_id_passes_once_training_has_met_it_often_enough():
    gate = FrequencyGate(8, min_count=3)
    np.testing.assert_array_equal(gate(np.array([5, 5, 0, 1, 6]), training=True), [1, 1, 0, 1, 1])
    np.testing.assert_array_equal(gate(np.array([5, 6]), training=True), [5, 1])
    # Serving counts nothing.
    for _ in range(3):
        np.testing.assert_array_equal(gate(np.array([[5], [6]])), [[5], [1]])
    assert np.array(gate.counts).tolist() == [1, 1, 0, 0, 0, 3, 2, 0]
    assert not gate.trainable_variables


@pytest.mark.parametrize(
    "layer", [HashedIds(9), CompositionalTable(9, 2), FrequencyGate(9, 2)], ids=lambda x: x.name
)
def test_ids_of_floats_are_refused(layer):
    with pytest.raises(TypeError, match="`ids` must be integers"):
        layer(np.array([1.5]))


def test_table_larger_than_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 3 * 2**30)
    memory.check_table_memory({"item": (2**20, 256)}, num_slots=2)
    with pytest.raises(MemoryError, match=r"1,048,577 rows x 256 .* x \(1 \+ 2 .* = 3.0 GiB"):
        memory.check_table_memory({"item": (2**20 + 1, 256)}, num_slots=2)
    with pytest.raises(MemoryError, match="and 1 others 1.0 GiB; 3.0 GiB of memory are free"):
        memory.check_table_memory({"item": (2**20, 900), "user": (2**20, 256)})
    # A made table is no longer to be found room for.
    memory.check_table_memory({"item": (2**20, 384)}, num_slots=2, is_made=True)
    with pytest.raises(MemoryError, match="are free beside the tables"):
        memory.check_table_memory({"item": (2**20, 385)}, num_slots=2, is_made=True)


def test_layer_refuses_a_table_larger_than_memory():
    with pytest.raises(MemoryError, match="'huge' takes 1,000,000,000,000 rows x 64 numbers"):
        EmbeddingTable(10**12, 64, name="huge").build()


def write_group(folder, limit, used, cached, version=2):
    """Writes what a control group tells of its memory; of version 1 it has children besides."""
    names = ("memory.max", "memory.current")
    stat = {"anon": used - cached, "file": cached + 300, "shmem": 300}
    lists = {"inactive_file": cached - cached // 4, "active_file": cached // 4}
    if version == 1:
        folder = folder / "memory"
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        lists = {"inactive_file": 7, "active_file": 5} | {f"total_{n}": lists[n] for n in lists}
    folder.mkdir(exist_ok=True)
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n")
    text = "".join(f"{name} {value}\n" for name, value in (stat | lists).items())
    (folder / "memory.stat").write_text(text)


@pytest.mark.parametrize("version", [1, 2])
def test_files_that_a_container_has_read_take_no_memory_from_a_table(version, tmp_path):
    # All but 10 of the limit are used, 4,000 of it by files that can be read again.
    write_group(tmp_path, 10_000, 9_990, cached=4_000, version=version)
    assert memory._of_the_container(tmp_path) == 4_010
    write_group(tmp_path, 10_000, 9_990, cached=0, version=version)
    assert memory._of_the_container(tmp_path) == 10
    # Over the limit for a moment, or counted at another one than the files.
    write_group(tmp_path, 10_000, 11_000, cached=0, version=version)
    assert memory._of_the_container(tmp_path) == 0
    write_group(tmp_path, 10_000, 3_000, cached=4_000, version=version)
    assert memory._of_the_container(tmp_path) == 10_000


def test_container_without_a_limit_tells_nothing(tmp_path):
    assert memory._of_the_container(tmp_path) is None
    write_group(tmp_path, "max", 9_990, cached=4_000)
    assert memory._of_the_container(tmp_path) is None
    # Version 1 gives a number that no machine has.
    write_group(tmp_path, 2**63 - 4096, 9_990, cached=4_000, version=1)
    assert memory._of_the_container(tmp_path) > 2**62


def test_free_memory_is_the_least_of_machine_and_container(monkeypatch):
    monkeypatch.setattr(memory, "_of_the_machine", lambda: 5000)
    monkeypatch.setattr(memory, "_of_the_container", lambda: 3000)
    assert memory.free_bytes() == 3000
    monkeypatch.setattr(memory, "_of_the_machine", lambda: None)
    assert memory.free_bytes() == 3000
    monkeypatch.setattr(memory, "_of_the_container", lambda: None)
    assert memory.free_bytes() is None
    memory.check_table_memory({"item": (10**12, 64)})


@pytest.mark.parametrize(
    "layer",
    [HashedIds(9, 3, seed=5), CompositionalTable(9, 2, 4, "add"), FrequencyGate(9, 2)],
    ids=lambda x: x.name,
)
def test_configuration_makes_the_same_layer(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
