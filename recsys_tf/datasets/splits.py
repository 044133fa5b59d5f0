"""Training, validation and test parts: by time, last item out of each user, or random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_tf.config import DataConfig
from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.leaks import PARTS, check_no_leak
from recsys_tf.naming import look_up
from recsys_tf.types import Array, IntArray


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of rows of `events`, ascending in each part; every row is in exactly one.

    Attributes:
        train: int64 `[n_train]`.
        validation: int64 `[n_validation]`.
        test: int64 `[n_test]`.
        method: `time`, `last_out` or `random`.
    """

    train: IntArray
    validation: IntArray
    test: IntArray
    method: str

    def __repr__(self) -> str:
        """Says the method and the sizes."""
        sizes = ", ".join(f"{len(getattr(self, part)):,} {part}" for part in PARTS)
        return f"Split({self.method}: {sizes})"


def split_by_time(
    events: pd.DataFrame,
    test_share: float = 0.2,
    validation_share: float = 0.1,
    timestamp: str = "timestamp",
) -> Split:
    """Cuts all rows at two moments, so that nothing of the future is learned from.

    The test part begins at the timestamp of the row at position `n - round(n * test_share)` of the
    time order; rows of that same second fall into the test part too, so that it may be a little
    larger than asked. The validation part is cut from the rest in the same way. This is the
    default: it is what a system meets that is trained today and asked tomorrow.

    Args:
        events: One row an event.
        test_share: Share of all rows, in (0, 1).
        validation_share: Share of the rows before the test part, in (0, 1).
        timestamp: Name of the column of whole seconds.

    Returns:
        The split.

    Raises:
        ValueError: If a share is not in (0, 1), or if too few distinct timestamps leave a part
            without a row.

    Example:
        >>> split_by_time(pd.DataFrame({"timestamp": [5, 1, 4, 2, 3]}), 0.2, 0.25).test
        array([0])
    """
    _check_share(test_share, "test_share")
    _check_share(validation_share, "validation_share")
    stamps = events[timestamp].to_numpy()
    is_test = _is_late(stamps, test_share)
    rest = np.flatnonzero(~is_test)
    is_validation = _is_late(stamps[rest], validation_share)
    return _made(Split(rest[~is_validation], rest[is_validation], np.flatnonzero(is_test), "time"))


def _is_late(stamps: Array, share: float) -> Array:
    n = len(stamps)
    if n == 0:
        return np.zeros(0, dtype=bool)
    position = min(max(n - round(n * share), 0), n - 1)
    return stamps >= np.partition(stamps, position)[position]


def split_last_out(
    events: pd.DataFrame, user_id: str = "user_id", timestamp: str = "timestamp"
) -> Split:
    """Keeps each user's last row for the test and the one before it for validation.

    Rows of the same second stand in the order of the file. A user of two rows has no validation
    row, a user of one row only a training row. The usual protocol of the papers on sequences;
    mind that the other users' training rows may be later than a user's test row.

    Args:
        events: One row an event.
        user_id: Name of the user's column.
        timestamp: Name of the column of whole seconds.

    Returns:
        The split.

    Raises:
        ValueError: If no user has three rows.

    Example:
        >>> split_last_out(pd.DataFrame({"user_id": list("aaab"), "timestamp": [3, 1, 2, 9]}))
        Split(last_out: 2 train, 1 validation, 1 test)
    """
    users = pd.factorize(events[user_id])[0]
    order = np.lexsort((np.arange(len(users)), events[timestamp].to_numpy(), users))
    counts = np.bincount(users, minlength=1)
    ends = np.cumsum(counts)[users[order]]
    from_end = ends - 1 - np.arange(len(order))
    size = counts[users[order]]
    is_test = (from_end == 0) & (size >= 2)
    is_validation = (from_end == 1) & (size >= 3)
    parts = (~is_test & ~is_validation, is_validation, is_test)
    train, validation, test = (np.sort(order[part]) for part in parts)
    return _made(Split(train, validation, test, "last_out"))


def split_random(
    events: pd.DataFrame, test_share: float = 0.2, validation_share: float = 0.1, seed: int = 42
) -> Split:
    """Draws the parts at random, as the published figures of rating prediction do.

    The last `round(n * test_share)` rows of `np.random.default_rng(seed).permutation(n)` are the
    test part, the `round(rest * validation_share)` before them the validation part. A model then
    learns from rows that are later than its test rows: for comparisons with papers, not for a
    forecast of how a served model will do.

    Args:
        events: One row an event.
        test_share: Share of all rows, in (0, 1).
        validation_share: Share of the rows outside the test part, in (0, 1).
        seed: Seed of the permutation.

    Returns:
        The split.

    Raises:
        ValueError: If a share is not in (0, 1), or a part is left without a row.

    Example:
        >>> split_random(pd.DataFrame({"timestamp": range(10)}), 0.2, 0.25, seed=0)
        Split(random: 6 train, 2 validation, 2 test)
    """
    _check_share(test_share, "test_share")
    _check_share(validation_share, "validation_share")
    n = len(events)
    order = np.random.default_rng(seed).permutation(n)
    num_test = round(n * test_share)
    num_validation = round((n - num_test) * validation_share)
    train, validation, test = np.split(order, [n - num_test - num_validation, n - num_test])
    return _made(Split(np.sort(train), np.sort(validation), np.sort(test), "random"))


def make_split(interactions: Interactions, config: DataConfig) -> Split:
    """Makes the split that the configuration names and checks it for leaks.

    Args:
        interactions: The data set.
        config: Its `split`, `test_share`, `validation_share` and `seed` are read.

    Returns:
        The split.

    Raises:
        ValueError: If a part is left without a row, if it leaks, or if a split by time is asked
            for where timestamps of two users cannot be compared.
    """
    schema, events = interactions.schema, interactions.events
    if config.split == "time" and not interactions.is_time_comparable:
        raise ValueError(
            "`split` must not be 'time' for a data set that knows only the order of the events "
            "within each user; use 'last_out' or 'random'."
        )
    shares = (config.test_share, config.validation_share)
    makers = {
        "time": lambda: split_by_time(events, *shares, timestamp=schema.timestamp),
        "last_out": lambda: split_last_out(events, schema.user_id, schema.timestamp),
        "random": lambda: split_random(events, *shares, seed=config.seed),
    }
    split = look_up(makers, config.split, "split")()
    keys = (schema.user_id, schema.item_id, schema.timestamp)
    check_no_leak(events, split, *keys)
    return split


def _check_share(share: float, argument: str) -> None:
    if not 0 < share < 1:
        raise ValueError(f"`{argument}` must lie between 0 and 1, received {share}.")


def _made(split: Split) -> Split:
    for part in PARTS:
        if not len(getattr(split, part)):
            raise ValueError(
                f"`{split.method}` split leaves no row for {part}: there are too few rows, or too "
                "few distinct timestamps; use more rows, other shares or another split."
            )
    return split
