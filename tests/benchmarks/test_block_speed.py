"""The script of block speed: rows travel to the peers whole, and the fastest peer is the bound."""

import io

import numpy as np
import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def speed(load_script):
    return load_script("block_speed")


@pytest.fixture(scope="module")
def peers(load_script):
    return load_script("block_peers")


@pytest.fixture(scope="module")
def rows(peers):
    random = np.random.default_rng(0)
    return peers.CodedRows(
        random.integers(4, size=(40, 2)).astype(np.int32),
        random.integers(2, size=(40, 2)).astype(np.float32),
        {"job": 4, "age_bin": 4},
    )


def test_rows_are_read_as_they_were_written(peers, rows, tmp_path):
    rows.save(tmp_path)
    read = peers.CodedRows.load(tmp_path)
    np.testing.assert_array_equal(read.codes, rows.codes)
    np.testing.assert_array_equal(read.labels, rows.labels)
    assert read.num_indices == rows.num_indices


def test_only_whole_batches_are_cut(peers, rows):
    batches = rows.batches(16)
    assert [codes.shape for codes, _ in batches] == [(16, 2), (16, 2)]
    np.testing.assert_array_equal(batches[1][1], rows.labels[16:32])


@pytest.mark.parametrize(
    ("model", "num_parameters"),
    [
        # 2 tables of 4 x 16, 6 experts of 32 -> 128, 2 gates of 32 -> 6, heads 128 -> 32 -> 1.
        ("mmoe", 128 + 6 * 33 * 128 + 2 * 33 * 6 + 2 * (129 * 32 + 33)),
        # 2 crosses of 32 x 32, dense layers 32 -> 128 -> 64 -> 1.
        ("dcn_v2", 128 + 2 * 33 * 32 + 33 * 128 + 129 * 64 + 65),
    ],
)
def test_our_model_has_the_sizes_that_the_peers_get(
    peers, rows, model, num_parameters, monkeypatch, capsys
):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n\n"))
    assert peers.train_recsys_tf(model, rows, 16, 2) == num_parameters
    assert capsys.readouterr().out.count("epoch took ") == 2


def test_the_ratio_to_the_fastest_peer_is_held_to_the_bound(speed):
    def trained(*seconds):
        return speed.Trained(np.array(seconds), {"peak_mib": 100.0, "parameters": 7})

    rounds = [
        {
            "torch_rechub": trained(4.0, 8.0, 4.0),
            "recsys_tf": trained(1.0, 2.0, ours),
            "deepctr": trained(1.5, 3.0, 1.2),
        }
        for ours in (1.0, 0.5, 1.2)
    ]
    rows = speed.rows_of("ple", rounds, num_rows=300)
    claims = [(row.name, row.value, row.holds) for row in rows if row.rule]
    # Medians of the ratios by turn: 1.5 in each round.
    assert claims == [("ple, recsys_tf / DeepCTR (the fastest peer)", 1.5, True)]
    assert [row.value for row in rows if row.name.endswith("/ torch-rechub")] == [4.0]
    assert next(row.value for row in rows if row.name == "ple, training, recsys_tf") == 300.0


def test_memory_is_that_of_this_process(speed):
    assert 10 < speed.peak_mib() < 100_000
