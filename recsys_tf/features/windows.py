"""Histories as windows on the events in the order of user and time."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from recsys_tf.naming import unknown_name_message
from recsys_tf.types import Array, IntArray


def history_windows(
    users: Array,
    timestamps: IntArray,
    rows: IntArray,
    reference_rows: IntArray,
    kind: Literal["past", "others"],
) -> tuple[IntArray, IntArray, IntArray]:
    """Finds where each row's history lies among the reference events.

    The reference events are sorted by user, then time, then position. A history is then one
    window of that order: from the user's first event to the last that is strictly earlier
    (`past`) or to the user's last (`others`). O((n + M) log M) time, O(n + M) memory.

    Args:
        users: `[E]`, user of each event; `""` is nobody and has no history.
        timestamps: int64 `[E]`.
        rows: int64 `[n]`, positions of the rows that want a history.
        reference_rows: int64 `[M]`, positions of the events that histories are built from.
        kind: `past` or `others`.

    Returns:
        `order` `[M]`, the sorted reference positions; `starts` and `ends` `[n]`, the window of
        each row on `order`.

    Raises:
        ValueError: If `kind` is neither, or a position lies outside the events.

    Example:
        >>> order, starts, ends = history_windows(
        ...     np.array(["a", "b", "a"], object), np.array([5, 1, 2]), np.arange(3),
        ...     np.arange(3), "past")
        >>> [order[start:end].tolist() for start, end in zip(starts, ends)]
        [[2], [], []]
    """
    if kind not in ("past", "others"):
        raise ValueError(unknown_name_message("history", kind, ("past", "others")))
    _check_positions("rows", rows, len(users))
    _check_positions("reference_rows", reference_rows, len(users))
    user_codes, names = pd.factorize(users)
    moments, distinct = pd.factorize(timestamps, sort=True)
    # One number that sorts like (user, time): both codes are below the number of events.
    width = len(distinct) + 1
    keys = user_codes.astype(np.int64) * width + moments
    order = reference_rows[np.argsort(keys[reference_rows], kind="stable")]
    sorted_keys = keys[order]
    own = user_codes[rows].astype(np.int64) * width
    starts = np.searchsorted(sorted_keys, own, side="left")
    limit = keys[rows] if kind == "past" else own + width
    ends = np.searchsorted(sorted_keys, limit, side="left")
    is_nobody = (np.asarray(names) == "")[user_codes[rows]] if len(names) else np.zeros(0, bool)
    return order, starts.astype(np.int64), np.where(is_nobody, starts, ends).astype(np.int64)


def _check_positions(argument: str, positions: IntArray, num_events: int) -> None:
    if len(positions) and (positions.min() < 0 or positions.max() >= num_events):
        raise ValueError(
            f"`{argument}` must be positions in `events`, from 0 to {num_events - 1}, received "
            f"{positions.min()} to {positions.max()}."
        )
