"""The leave-one-out split of NCF: MovieLens 1M, one test film and 99 negatives a user.

Files of He et al. (2017), https://doi.org/10.1145/3038912.3052569, with a map of their film numbers
to MovieLens ids, so that ratings, time and titles can be joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_tf.types import Array, IntArray

NUM_USERS, NUM_ITEMS, NUM_TRAIN, NUM_NEGATIVES = 6_040, 3_706, 994_169, 99


@dataclass(frozen=True, eq=False)
class NcfSplit:
    """The split; users count from 0 (MovieLens' user less 1), items by the rows of the map.

    Attributes:
        train: int64 `[n, 2]`, users and items, those of a user together.
        candidates: int64 `[U, 100]`, the test item and its negatives. 156 users have the test item
            among these as well, where it does not count (`sampled_ranks`).
        item_ids: int64 `[N]`, the MovieLens id of each item.
    """

    train: IntArray
    candidates: IntArray
    item_ids: IntArray


def read_ncf(folder: Path) -> NcfSplit:
    """Reads the split.

    Args:
        folder: Holds `ml-1m.train.pairs.tsv.gz`, `ml-1m.test.rating`, `ml-1m.test.negative.gz` and
            `item_map.tsv`.

    Raises:
        ValueError: If the files are not the published ones or contradict each other.
    """
    train = _table(folder / "ml-1m.train.pairs.tsv.gz")
    test = _table(folder / "ml-1m.test.rating")
    item_map = _table(folder / "item_map.tsv", header=0)
    rows = pd.read_csv(folder / "ml-1m.test.negative.gz", sep="\t", header=None)
    negatives = rows.iloc[:, 1:].to_numpy(np.int64)
    found = len(train), len(test), negatives.shape, len(item_map)
    if found != (NUM_TRAIN, NUM_USERS, (NUM_USERS, NUM_NEGATIVES), NUM_ITEMS):
        raise ValueError(f"`folder` must hold NCF's split of MovieLens 1M, received sizes {found}.")
    pairs = [f"({user},{item})" for user, item in test[:, :2]]
    in_order = np.arange(NUM_USERS), np.arange(NUM_ITEMS)
    is_consistent = rows[0].tolist() == pairs and all(
        np.array_equal(each, order)
        for each, order in zip((test[:, 0], item_map[:, 0]), in_order, strict=True)
    )
    if not is_consistent:
        raise ValueError("`folder` must hold files of one split: test rows and negatives differ.")
    return NcfSplit(train, np.column_stack([test[:, 1], negatives]), item_map[:, 1])


def times_of(pairs: IntArray, item_ids: IntArray, events: pd.DataFrame) -> IntArray:
    """Joins the timestamp of each pair.

    Args:
        pairs: int `[n, 2]`, users and items as `read_ncf` numbers them.
        item_ids: The MovieLens id of each item.
        events: Of `load_dataset("ml-1m", folder)`.

    Returns:
        int64 `[n]`; in the recovered form the place within the user, 0 where it is not known.

    Raises:
        ValueError: If a pair has no event.
    """
    users, films = (_numbers(events[name]) for name in ("user_id", "item_id"))
    keys = pd.Index(_keys(users, films))
    places = keys.get_indexer(_keys(pairs[:, 0] + 1, item_ids[pairs[:, 1]]))
    if (places < 0).any():
        raise ValueError(f"`pairs` must be events, received {pairs[places < 0][0].tolist()}.")
    return events["timestamp"].to_numpy(np.int64)[places]


def last_of_users(users: IntArray, times: IntArray) -> IntArray:
    """Returns the position of each user's latest row, of equal times the last one, by user."""
    order = np.lexsort((np.arange(len(users)), times, users))
    return order[np.flatnonzero(np.diff(users[order], append=-1))]


def _table(path: Path, header: int | None = None) -> IntArray:
    return pd.read_csv(path, sep="\t", header=header).to_numpy(np.int64)


def _numbers(ids: pd.Series) -> IntArray:
    codes, distinct = pd.factorize(ids)
    return distinct.astype(np.int64).to_numpy()[codes]


def _keys(users: Array, films: Array) -> IntArray:
    return users.astype(np.int64) * 100_000 + films
