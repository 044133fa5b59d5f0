"""Asks a trained model in plain values, and gives the answer with titles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from recsys_tf.datasets import Interactions
from recsys_tf.datasets.known_users import features_of_users, histories_of_users
from recsys_tf.export.served_recommender import ServedRecommender
from recsys_tf.naming import unknown_name_message
from recsys_tf.types import IntArray, Tensor


def recommend(
    served: ServedRecommender,
    interactions: Interactions,
    user_ids: Sequence[str],
    *,
    histories: Sequence[Sequence[str]] | None = None,
    inputs: Mapping[str, Sequence[Any]] | None = None,
    known_rows: IntArray | None = None,
    k: int = 10,
    diversity: float | None = None,
    max_per_category: int | None = None,
) -> pd.DataFrame:
    """Recommends items by title.

    Args:
        served: What answers.
        interactions: Where titles, and what is known of the users, come from.
        user_ids: Who asks, at least one; may be new.
        histories: See `raw_queries`.
        inputs: See `raw_queries`.
        known_rows: See `raw_queries`.
        k: Items for each user.
        diversity: See `ServedRecommender.recommend`, as for the next; one number for all users.
        max_per_category: Items of one category in a list.

    Returns:
        One row an answer, users in the order asked, best items first: the user's id, `place` from
        1 on, the item's id, `title`, `score` by which they are ordered, and each task's
        prediction by its name. Fewer than `k` rows where fewer items are left.

    Raises:
        ValueError: If nobody asks; else as `raw_queries` and `ServedRecommender.recommend`.
        TypeError: As `raw_queries`.
        tf.errors.InvalidArgumentError: As `ServedRecommender.recommend`.
    """
    if not len(user_ids):
        raise ValueError("`user_ids` must hold at least one id, received none.")
    queries = raw_queries(
        served,
        interactions,
        user_ids,
        histories=histories,
        inputs=inputs,
        known_rows=known_rows,
    )
    tensors = served.recommend(
        queries,
        tf.fill([len(user_ids)], k),
        None if diversity is None else tf.constant([diversity], tf.float32),
        None if max_per_category is None else tf.constant([max_per_category], tf.int32),
    )
    answer = {name: tensor.numpy() for name, tensor in tensors.items()}
    schema, items = interactions.schema, interactions.items
    user, column = np.nonzero(answer["item_ids"] != b"")
    ids = [each.decode() for each in answer["item_ids"][user, column]]
    titles = dict(zip(items[schema.item_id], items[interactions.title_column], strict=True))
    return pd.DataFrame(
        {
            schema.user_id: np.array(user_ids, dtype=object)[user],
            "place": column + 1,
            schema.item_id: ids,
            # The catalogue that is served may hold items that these interactions do not.
            "title": [titles.get(each, "") for each in ids],
            "score": answer["scores"][user, column],
            **{name: answer[name][user, column] for name in served.answer_tasks},
        }
    )


def raw_queries(
    served: ServedRecommender,
    interactions: Interactions,
    user_ids: Sequence[str],
    *,
    histories: Sequence[Sequence[str]] | None = None,
    inputs: Mapping[str, Sequence[Any]] | None = None,
    known_rows: IntArray | None = None,
) -> dict[str, Tensor]:
    """Makes the inputs of `ServedRecommender.recommend`, and of the signature of that name.

    Args:
        served: What will be asked; it tells which inputs there are.
        interactions: What is known of the users: features and events.
        user_ids: Who asks, `[B]`; of a new user nothing is known.
        histories: Ids of the items that each user met, oldest first, in place of the events of
            `interactions`. An empty list is an empty history.
        inputs: Other raw features by name, one value a user, such as `{"hour": ["20"]}`; they go
            before what `interactions` says. What is told of a history's events is a list a user.
        known_rows: Positions in `interactions.events` that may be known; None for all. Give
            `PreparedData.known_rows` to ask as of the moment of the split.

    Returns:
        Every raw input by name, `""`, NaN or the time 0 where nothing is known.

    Raises:
        ValueError: If a name is no input, or there are not as many values as users.
        TypeError: If `user_ids` is one string.
    """
    if isinstance(user_ids, str):
        raise TypeError(f"`user_ids` must be a list of ids, received {user_ids!r}; put it in one.")
    schema, specs = served.schema, served.raw_specs(has_items=False)
    given: dict[str, Any] = {schema.user_id: user_ids}
    given |= features_of_users(schema, interactions.users, user_ids)
    if histories is None:
        events = interactions.events
        known = events if known_rows is None else events.iloc[known_rows]
        given |= histories_of_users(schema, known, user_ids)
    elif schema.history is not None:
        given[schema.history.name] = histories
    given |= inputs or {}
    for name, values in given.items():
        if name not in specs:
            raise ValueError("`inputs`: " + unknown_name_message("raw feature", name, specs))
        if len(values) != len(user_ids):
            raise ValueError(
                f"`{name}` must have one value for each of the {len(user_ids)} users, received "
                f"{len(values)}."
            )
    return {name: _tensor(spec, given.get(name), len(user_ids)) for name, spec in specs.items()}


def _tensor(spec: tf.TensorSpec, values: Sequence[Any] | None, num_rows: int) -> Tensor:
    """Makes a dense tensor; None is a missing value, shorter lists are filled up."""
    missing: Any = {tf.string: "", tf.int64: 0}.get(spec.dtype, float("nan"))
    rows = [None] * num_rows if values is None else list(values)
    if spec.shape.rank == 1:
        rows = [missing if row is None else row for row in rows]
        return tf.constant(rows, spec.dtype, shape=[num_rows], name=spec.name)
    lists = [[] if row is None else list(row) for row in rows]
    width = spec.shape[1] or max(map(len, lists), default=0)
    padded = [row + [missing] * (width - len(row)) for row in lists]
    return tf.constant(padded, spec.dtype, shape=[num_rows, width], name=spec.name)
