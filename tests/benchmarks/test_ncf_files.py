"""NCF's split: read, joined with time, and right."""

import gzip

import numpy as np
import pandas as pd
import pytest

from recsys_tf.baselines import EASE, Popularity
from recsys_tf.datasets import interaction_matrix, load_movielens_1m
from recsys_tf.metrics import sampled_ranking_metrics

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def ncf(load_script):
    return load_script("ncf_files")


@pytest.fixture
def small(ncf, tmp_path, monkeypatch):
    """Two users, four films, one negative, in the published form."""
    for name, value in (("USERS", 2), ("ITEMS", 4), ("TRAIN", 3), ("NEGATIVES", 1)):
        monkeypatch.setattr(ncf, f"NUM_{name}", value)
    write(tmp_path / "ml-1m.train.pairs.tsv.gz", ["0\t0", "0\t2", "1\t3"])
    write(tmp_path / "ml-1m.test.rating", ["0\t1\t5\t978", "1\t0\t4\t979"])
    write(tmp_path / "ml-1m.test.negative.gz", ["(0,1)\t3", "(1,0)\t2"])
    write(tmp_path / "item_map.tsv", ["ncf_item\tmovielens_id", "0\t11", "1\t7", "2\t5", "3\t9"])
    return tmp_path


def write(path, lines):
    text = "\n".join([*lines, ""])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def test_candidates_begin_with_the_test_item(ncf, small):
    split = ncf.read_ncf(small)
    assert split.candidates.tolist() == [[1, 3], [0, 2]]
    assert split.train.tolist() == [[0, 0], [0, 2], [1, 3]]
    assert split.item_ids.tolist() == [11, 7, 5, 9]


def test_files_of_two_splits_are_an_error(ncf, small):
    write(small / "ml-1m.test.negative.gz", ["(0,2)\t3", "(1,0)\t2"])
    with pytest.raises(ValueError, match="files of one split: test rows and negatives differ"):
        ncf.read_ncf(small)


def test_other_sizes_are_an_error(ncf, small):
    write(small / "ml-1m.train.pairs.tsv.gz", ["0\t0"])
    with pytest.raises(ValueError, match=r"must hold NCF's split .* received sizes \(1, 2, "):
        ncf.read_ncf(small)


def test_times_are_those_of_the_users_events(ncf):
    events = pd.DataFrame(
        {"user_id": ["2", "1", "2"], "item_id": ["5", "5", "9"], "timestamp": [30, 10, 20]}
    )
    pairs, ids = np.array([[1, 1], [1, 0], [0, 0]]), np.array([5, 9])
    assert ncf.times_of(pairs, ids, events).tolist() == [20, 30, 10]
    with pytest.raises(ValueError, match=r"`pairs` must be events, received \[0, 1\]"):
        ncf.times_of(np.array([[0, 1]]), ids, events)


def test_last_row_of_each_user_is_the_latest(ncf):
    users, times = np.array([1, 0, 0, 1, 1]), np.array([5, 9, 2, 7, 7])
    assert ncf.last_of_users(users, times).tolist() == [1, 4]


def test_published_split_is_read_whole(ncf, real_folder):
    split = ncf.read_ncf(real_folder("ncf-ml1m"))
    positives, negatives = split.candidates[:, :1], split.candidates[:, 1:]
    assert (positives == negatives).any(axis=1).sum() == 156
    events = load_movielens_1m(real_folder("ml-1m")).events
    tested = np.column_stack([np.arange(ncf.NUM_USERS), positives[:, 0]])
    in_test = events[events["is_ncf_test"]].assign(timestamp=1)
    assert ncf.times_of(tested, split.item_ids, in_test).tolist() == [1] * ncf.NUM_USERS
    assert (ncf.times_of(split.train, split.item_ids, events) >= 0).all()


def ranked(model, split, ncf):
    known = interaction_matrix(*split.train.T, ncf.NUM_USERS, ncf.NUM_ITEMS)
    found = sampled_ranking_metrics(model.fit(known).scores, split.candidates)
    return [found["hit_rate_at_10"], found["ndcg_at_10"]]


def test_popularity_reaches_what_was_measured_before(ncf, real_folder):
    split = ncf.read_ncf(real_folder("ncf-ml1m"))
    assert ranked(Popularity(), split, ncf) == pytest.approx([0.4538, 0.2543], abs=2e-3)


@pytest.mark.slow
def test_ease_reaches_what_was_measured_before(ncf, real_folder):
    split = ncf.read_ncf(real_folder("ncf-ml1m"))
    assert ranked(EASE(1000.0), split, ncf) == pytest.approx([0.7182, 0.4511], abs=6e-4)
