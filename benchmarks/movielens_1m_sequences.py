"""MovieLens 1M as the papers on sequences read it: films of five events and more, in order of time.

The set of SASRec's `ml-1m.txt` (Kang and McAuley 2018, https://arxiv.org/abs/1808.09781): 999,611
events of 6,040 users with 3,416 films. Split it with `split_last_out`: of each user the last film
is for the test, the one before it for validation.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_tf.datasets import Interactions, load_dataset

MIN_EVENTS = 5
NUM_EVENTS, NUM_USERS, NUM_ITEMS = 999_611, 6_040, 3_416


def load_sequences_protocol(folder: str | Path | None = None) -> Interactions:
    """Reads MovieLens 1M less the films with fewer than five events.

    In the recovered form of the data each user's order is that of SASRec's file. In GroupLens' own
    form events of one second stand in the order of the file, so that it may differ there.

    Args:
        folder: Holds the files; see `recsys_tf.datasets.load_movielens_1m`.

    Returns:
        The events, in the order of the file; users and items with an event only.

    Raises:
        ValueError: If the numbers are not those of the published set.
    """
    kept = frequent_items(load_dataset("ml-1m", folder), MIN_EVENTS)
    found = len(kept.events), len(kept.users), len(kept.items)
    if found != (NUM_EVENTS, NUM_USERS, NUM_ITEMS):
        raise ValueError(
            f"`folder` must hold MovieLens 1M, of which {NUM_EVENTS:,} events, {NUM_USERS:,} users "
            f"and {NUM_ITEMS:,} films are left, received {found[0]:,}, {found[1]:,} and "
            f"{found[2]:,}."
        )
    return kept


def frequent_items(interactions: Interactions, min_events: int) -> Interactions:
    """Keeps the items with `min_events` events or more, their events, and the users of these."""
    events = interactions.events
    user, item = interactions.schema.user_id, interactions.schema.item_id
    codes, ids = pd.factorize(events[item])
    is_frequent = np.bincount(codes) >= min_events
    events = events[is_frequent[codes]].reset_index(drop=True)
    users, items = interactions.users, interactions.items
    return replace(
        interactions,
        events=events,
        users=users[users[user].isin(events[user].unique())].reset_index(drop=True),
        items=items[items[item].isin(ids[is_frequent])].reset_index(drop=True),
    )
