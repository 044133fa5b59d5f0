"""What a data set knows of those who ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

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
        schema: Names the history and its values.
        events: The events that may be known.
        user_ids: Who asks, `[B]`; may be new.

    Returns:
        By input, one list a user, oldest event first, empty of a new user: the items' ids, and the
        label that the history reads. Nothing where the schema has no history.

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
    columns = {history.name: schema.item_id}
    if history.values_name is not None and schema.history_label is not None:
        columns[history.values_name] = schema.history_label
    lists = {
        name: own.groupby(schema.user_id)[column].agg(list) for name, column in columns.items()
    }
    return {name: [by_user.get(user, []) for user in user_ids] for name, by_user in lists.items()}
