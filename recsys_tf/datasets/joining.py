"""Joins the tables of one data set: repeated rows are refused, absent users and items completed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.reading import Table
from recsys_tf.datasets.rejections import Rejections
from recsys_tf.schema import Schema
from recsys_tf.types import Array


def join_tables(
    schema: Schema,
    events: Table,
    users: Table | pd.DataFrame,
    items: Table | pd.DataFrame,
    *,
    title_column: str = "title",
    is_time_comparable: bool = True,
    rejections: Rejections | None = None,
    of_events: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> Interactions:
    """Joins the tables of one data set.

    Repeated events (same user, item and time), users and items are refused after the first. An
    event's user or item that has no row of its own gets one with missing features, so that no
    event is lost.

    Args:
        schema: The data set's schema.
        events: Table with ids, time, labels and context features.
        users: Table, or a frame made of the events where nothing is known of users.
        items: The same for the items.
        title_column: See `Interactions`.
        is_time_comparable: See `Interactions`.
        rejections: What was refused of further files.
        of_events: Makes further columns of the events that are kept, a row each in their order;
            refused rows are told as they were read. None makes none.

    Returns:
        The data set; events in the order of their file.
    """
    events = events.reject_repeated([schema.user_id, schema.item_id, schema.timestamp])
    report = events.rejections
    frame = events.frame if of_events is None else of_events(events.frame)
    frames = {}
    for key, table in ((schema.item_id, items), (schema.user_id, users)):
        if isinstance(table, Table):
            table = table.reject_repeated([key])
            report += table.rejections
            frames[key] = table.frame
        else:
            frames[key] = table
    report = report if rejections is None else report + rejections
    for key in (schema.user_id, schema.item_id):
        frames[key], report = _completed(frames[key], events.frame[key], schema, report)
    return Interactions(
        schema,
        frame.reset_index(drop=True),
        frames[schema.user_id],
        frames[schema.item_id],
        report,
        title_column=title_column,
        is_time_comparable=is_time_comparable,
    )


def _completed(
    frame: pd.DataFrame, ids: pd.Series, schema: Schema, report: Rejections
) -> tuple[pd.DataFrame, Rejections]:
    key = str(ids.name)
    frame = frame.reset_index(drop=True)
    absent = pd.Index(ids.unique()).difference(pd.Index(frame[key]), sort=False)
    if not len(absent):
        return frame, report
    features = {each.name: each for each in schema.features}
    columns: dict[str, Array] = {}
    for name, column in frame.items():
        missing = np.empty(len(absent), dtype=column.to_numpy().dtype)
        if name == key:
            missing[:] = absent
        elif column.dtype == object:
            for row in range(len(absent)):
                missing[row] = _missing_value(features.get(str(name)))
        else:
            missing[:] = np.nan
        columns[str(name)] = missing
    added = pd.concat([frame, pd.DataFrame(columns)], ignore_index=True)
    note = (
        f"{len(absent):,} values of `{key}` in the events have no row of their own, for instance "
        f"{absent[0]!r}; their features are missing"
    )
    return added, report.with_note(note)


def _missing_value(feature: Any) -> Any:
    if getattr(feature, "is_multivalent", False):
        return []
    return None if getattr(feature, "kind", "") == "embedding" else ""
