"""The script of sequence speed: equal sizes, equal questions, and a bound on each pair."""

import argparse
import io
import json
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def speed(load_script):
    return load_script("sequence_speed")


@pytest.fixture(scope="module")
def peers(load_script):
    return load_script("sequence_peers")


def test_every_item_is_met_and_the_first_most_often(peers):
    events = peers.generate(num_sequences=200, length=9, num_items=50, seed=3)
    assert events.shape == (200, 10)
    counts = np.bincount(events.reshape(-1))
    assert len(counts) == 50
    assert counts.min() >= 1
    # 1 / (1 + 1/2 + ... + 1/50) = 0.222 of the 1,950 drawn ones.
    assert 350 < counts[0] < 520


def test_fewer_events_than_items_are_different_items(peers):
    assert len(np.unique(peers.generate(2, 4, num_items=50))) == 10


def test_the_last_position_alone_is_asked_where_it_is_wanted(peers):
    events = np.arange(12, dtype=np.int32).reshape(3, 4)
    asked = {}
    for is_last_asked in (False, True):
        ((features, labels),) = peers.our_batches(events, is_last_asked).as_numpy_iterator()
        order = np.argsort(features["items"][:, 0])
        asked[is_last_asked] = labels[order].tolist()
        # Items follow the two reserved indices.
        assert features["items"][order].tolist() == [[2, 3, 4], [6, 7, 8], [10, 11, 12]]
    assert asked[False] == [[3, 4, 5], [7, 8, 9], [11, 12, 13]]
    assert asked[True] == [[0, 0, 5], [0, 0, 9], [0, 0, 13]]


def test_our_model_has_the_sizes_that_the_peers_get(peers, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n\n"))
    monkeypatch.setattr(peers, "NUM_ITEMS", 12)
    monkeypatch.setattr(peers, "BATCH_SIZE", 2)
    events = np.arange(12, dtype=np.int32).reshape(3, 4)
    # Queries, keys, values, joining, two dense layers and two norms in each of two blocks; the
    # positions and the last norm; the items with padding and unknown.
    num_parameters = 2 * (6 * 65 * 64 + 2 * 128) + 3 * 64 + 128 + 14 * 64
    assert peers.train_recsys_tf_at_last(events, 2) == num_parameters
    assert capsys.readouterr().out.count("epoch took ") == 2


def test_recbole_reads_the_events_before_the_last_and_the_last(peers, tmp_path):
    peers.write_atomic_files(np.array([[5, 6, 7], [8, 9, 3]]), tmp_path / "sequences")
    lines = (tmp_path / "sequences" / "sequences.train.inter").read_text("utf-8").splitlines()
    assert lines == [
        "user_id:token\titem_id_list:token_seq\titem_id:token",
        "0\t5 6\t7",
        "1\t8 9\t3",
    ]
    for part in ("valid", "test"):
        assert (tmp_path / "sequences" / f"sequences.{part}.inter").exists()


def test_each_peer_is_held_to_the_bound_beside_the_same_questions(speed):
    def trained(*seconds):
        return speed.Trained(np.array(seconds), {"parameters": 7})

    rounds = [
        {
            "recsys_tf": trained(1.0, 2.0, ours),
            "rectools": trained(1.5, 3.0, 1.2),
            "recsys_tf_at_last": trained(1.0, 2.0, 2.0),
            "recbole": trained(1.2, 2.4, 2.4),
        }
        for ours in (1.0, 0.5, 1.2)
    ]
    rows = speed.rows_of(50, rounds, 300, {"whole step": 4.0})
    claims = [(row.name, row.value, row.holds) for row in rows if row.rule]
    # Medians of the ratios by turn: 1.5 and 1.2 in each round.
    assert claims == [
        ("length 50, recsys_tf / RecTools, all positions asked", 1.5, True),
        ("length 50, recsys_tf / RecBole, the last position asked", 1.2, False),
    ]
    assert {row.name: row.value for row in rows if row.unit == "sequences/s"} == {
        "length 50, recsys_tf, all positions asked": 300.0,
        "length 50, RecTools, all positions asked": 200.0,
        "length 50, recsys_tf, the last position asked": 150.0,
        "length 50, RecBole, the last position asked": 125.0,
    }
    assert rows[-1].name == "length 50, our step: whole step"
    assert rows[-1].value == 4.0


def test_all_processes_get_the_same_threads_and_peers_their_own_python(speed, tmp_path):
    arguments = argparse.Namespace(threads=2, peer_python="/peers/python", epochs=1)
    children = {n: speed.command_of(n, arguments, tmp_path / "e.npy") for n in speed.TRAINERS}
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    for name, child in children.items():
        assert [child.environment[each] for each in threads] == ["2"] * 3
        assert (child.command[0] == "/peers/python") == (name in speed.PAIRS)


def test_profile_names_the_parts_of_a_step(speed, peers, monkeypatch):
    monkeypatch.setattr(peers, "NUM_ITEMS", 12)
    monkeypatch.setattr(peers, "WIDTH", 4)
    monkeypatch.setattr(peers, "BATCH_SIZE", 2)
    parts = speed.profile(np.arange(12, dtype=np.int32).reshape(3, 4), num_rounds=1)
    assert list(parts) == ["forward", "loss", "backward", "update", "whole", "input"]
    assert parts["whole"] > 0
    assert json.loads(json.dumps(parts)) == parts


def test_peers_read_the_script_without_our_package(speed):
    code = "import sys; sys.modules['recsys_tf'] = None; import sequence_speed, block_speed"
    folder = speed.ROOT / "benchmarks"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
