"""What a data set knows of those who ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from recsys_tf.datasets.values import names_of
from recsys_tf.schema import Schema


def features_of_users(
    schema: Schema, users: pd.DataFrame, user_ids: Sequence[str]
) -> dict[str, list[Any]]:
    """Looks up the features of users.

    Args:
        schema: Names the features; the id and the history are none.
        users: One row a user: id and features.
        user_ids: Who asks, `[B]`; may be new.

    Returns:
        By feature, one value a user; None of a new one.

    Example:
        >>> from recsys_tf import CategoricalFeature, IdFeature, Schema, TaskSpec
        >>> schema = Schema(
        ...     features=(
        ...         IdFeature(name="user_id", side="user"),
        ...         IdFeature(name="item_id", side="item"),
        ...         CategoricalFeature(name="city", side="user"),
        ...     ),
        ...     tasks=(TaskSpec(name="watch", kind="retrieval"),),
        ... )
        >>> users = pd.DataFrame({"user_id": ["ann", "bo"], "city": ["Lund", "Rome"]})
        >>> features_of_users(schema, users, ["bo", "new"])
        {'city': ['Rome', None]}
    """
    names = [f.name for f in schema.features if f.side == "user" and f.kind != "history"]
    asking = users[users[schema.user_id].isin(user_ids)]
    known = dict(zip(asking[schema.user_id], asking[names].to_dict("records"), strict=True))
    return {
        name: [known[user][name] if user in known else None for user in user_ids]
        for name in names
        if name != schema.user_id
    }


def histories_of_users(
    schema: Schema, events: pd.DataFrame, user_ids: Sequence[str]
) -> dict[str, list[list[Any]]]:
    """Gathers the whole histories of users.

    Args:
        schema: Names the history and what it reads of its events.
        events: The events that may be known.
        user_ids: Who asks, `[B]`; may be new.

    Returns:
        By input, one list a user, oldest event first, empty of a new user: the items' ids, and what
        the history reads of its events: their label, kind and time. Nothing where the schema has no
        history.

    Example:
        >>> from recsys_tf import HistoryFeature, IdFeature, Schema, TaskSpec
        >>> schema = Schema(
        ...     features=(
        ...         IdFeature(name="user_id", side="user"),
        ...         IdFeature(name="item_id", side="item"),
        ...         HistoryFeature(name="met", side="user", of="item_id"),
        ...     ),
        ...     tasks=(TaskSpec(name="watch", kind="retrieval"),),
        ... )
        >>> events = pd.DataFrame({"user_id": "bo", "item_id": ["b", "a"], "timestamp": [9, 5]})
        >>> histories_of_users(schema, events, ["bo", "new"])
        {'met': [['a', 'b'], []]}
    """
    history = schema.history
    if history is None:
        return {}
    own = events[events[schema.user_id].isin(user_ids)]
    own = own.sort_values(schema.timestamp, kind="stable")
    sources = {
        "values": schema.history_label,
        "actions": history.action_column,
        "times": schema.timestamp,
    }
    columns = {history.name: own[schema.item_id]}
    for told, name in history.aligned.items():
        if sources[told] is not None:
            column = own[sources[told]]
            columns[name] = names_of(column) if told == "actions" else column
    users = own[schema.user_id]
    lists = {name: column.groupby(users).agg(list) for name, column in columns.items()}
    return {name: [by_user.get(user, []) for user in user_ids] for name, by_user in lists.items()}
