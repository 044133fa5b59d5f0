"""MovieLens 1M in the form of the papers on sequences."""

import numpy as np
import pandas as pd
import pytest

from recsys_tf.datasets import load_synthetic, split_last_out

pytestmark = pytest.mark.checkout


@pytest.fixture
def sequences(load_script):
    return load_script("movielens_1m_sequences")


def test_items_of_few_events_leave_with_their_events(sequences):
    data = load_synthetic(num_users=30, num_items=20, num_events=120)
    num_events, counts = len(data), data.events["item_id"].value_counts()
    least = int(counts.median())
    kept = sequences.frequent_items(data, least)
    assert set(kept.items["item_id"]) == set(counts.index[counts >= least])
    assert len(kept.events) == counts[counts >= least].sum()
    assert set(kept.users["user_id"]) == set(kept.events["user_id"])
    assert len(data.events) == num_events  # The whole set is as it was.


def test_other_data_are_an_error(sequences, monkeypatch):
    data = load_synthetic(num_users=30, num_items=20, num_events=120)
    monkeypatch.setattr(sequences, "load_dataset", lambda *_: data)
    with pytest.raises(ValueError, match=r"`folder` must hold MovieLens 1M, .* received \d+, "):
        sequences.load_sequences_protocol()


def test_sequences_are_those_of_the_published_file(sequences, real_folder):
    data = sequences.load_sequences_protocol(real_folder("ml-1m"))
    folder = real_folder("sasrec-ml1m")
    published = pd.read_csv(folder / "ml-1m_sas.txt.gz", sep=" ", header=None).to_numpy()
    assert published.shape == (sequences.NUM_EVENTS, 2)
    for column, name in enumerate(("users", "items")):
        names = np.loadtxt(folder / f"sas_to_original_{name}.txt", dtype=np.int64)
        published[:, column] = pd.Series(names[:, 1], index=names[:, 0])[published[:, column]]
    users, items = (pd.to_numeric(data.events[name]).to_numpy() for name in ("user_id", "item_id"))
    ours = np.stack([users, items], axis=1)[np.lexsort((data.events["timestamp"], users))]
    np.testing.assert_array_equal(ours, published[np.argsort(published[:, 0], kind="stable")])
    split = split_last_out(data.events)
    assert len(split.validation) == len(split.test) == sequences.NUM_USERS
