"""The check that a split's parts are apart as its method promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recsys_tf.types import Array, IntArray

if TYPE_CHECKING:
    from recsys_tf.datasets.splits import Split

PARTS = ("train", "validation", "test")


def check_no_leak(
    events: pd.DataFrame,
    split: Split,
    user_id: str = "user_id",
    item_id: str = "item_id",
    timestamp: str = "timestamp",
) -> None:
    """Raises unless the parts are apart as their method promises.

    Every method: each row in exactly one part, and no identical (user, item, timestamp) row in
    two parts. `time`: every training row earlier than every validation row, and those earlier
    than every test row. `last_out`: the same within each user, where equal times are allowed.

    Args:
        events: The rows that the split is of.
        split: What `split_*` returned, or any other division.
        user_id: Name of the user's column.
        item_id: Name of the item's column.
        timestamp: Name of the column of whole seconds.

    Raises:
        ValueError: If a rule is broken; the text says which and where.
    """
    part_of_row = _part_of_row(split, len(events))
    keys = events[[user_id, item_id, timestamp]]
    first_with_key = keys.groupby([user_id, item_id, timestamp], sort=False).ngroup().to_numpy()
    # Within one key all rows must be of one part: compare each with the key's first row.
    firsts = np.unique(first_with_key, return_index=True)[1]
    is_leaked = part_of_row != part_of_row[firsts][first_with_key]
    if is_leaked.any():
        row = int(np.argmax(is_leaked))
        raise ValueError(
            f"`split` leaks: the event of row {row} ({dict(keys.iloc[row])}) stands in "
            f"{PARTS[part_of_row[row]]} and in {PARTS[part_of_row[firsts[first_with_key[row]]]]}."
        )
    stamps = events[timestamp].to_numpy()
    if split.method == "time":
        _check_order(stamps, split)
    if split.method == "last_out":
        _check_order_by_user(stamps, pd.factorize(events[user_id])[0], part_of_row)


def _part_of_row(split: Split, num_rows: int) -> IntArray:
    parts = [np.asarray(getattr(split, part)) for part in PARTS]
    rows = np.concatenate(parts)
    outside = rows[(rows < 0) | (rows >= num_rows)]
    if len(outside):
        raise ValueError(f"`split` must hold positions in [0, {num_rows}), received {outside[0]}.")
    times_used = np.bincount(rows, minlength=num_rows)
    if (times_used != 1).any():
        row = int(np.argmax(times_used != 1))
        raise ValueError(
            f"`split` must hold every row exactly once; row {row} stands in it "
            f"{times_used[row]} times."
        )
    part_of_row = np.empty(num_rows, dtype=np.int64)
    for number, part in enumerate(parts):
        part_of_row[part] = number
    return part_of_row


def _check_order(stamps: Array, split: Split) -> None:
    for before, after in (("train", "validation"), ("validation", "test"), ("train", "test")):
        early, late = stamps[getattr(split, before)], stamps[getattr(split, after)]
        if not len(early) or not len(late):
            continue
        if early.max() >= late.min():
            raise ValueError(
                f"`split` leaks: the last {before} row (timestamp {early.max()}) is not before "
                f"the first {after} row (timestamp {late.min()})."
            )


def _check_order_by_user(stamps: Array, users: IntArray, part_of_row: IntArray) -> None:
    order = np.lexsort((part_of_row, stamps, users))
    is_same_user = users[order][1:] == users[order][:-1]
    is_fallen = part_of_row[order][1:] < part_of_row[order][:-1]
    if (is_same_user & is_fallen).any():
        row = int(order[1:][is_same_user & is_fallen][0])
        raise ValueError(
            f"`split` leaks: row {row} (timestamp {stamps[row]}) is in "
            f"{PARTS[part_of_row[row]]}, although an earlier row of its user is in a later part."
        )
