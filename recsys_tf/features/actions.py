"""Kinds of action: from the names that a configuration gives to indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import tensorflow as tf

from recsys_tf.types import (
    NUM_RESERVED_INDICES,
    PADDING_INDEX,
    UNKNOWN_INDEX,
    Array,
    IntArray,
    Tensor,
)


def action_indices(names: Array, actions: Sequence[str]) -> IntArray:
    """Returns the index of each event's kind.

    Args:
        names: Each event's kind, object `[E]` of `str`; "" is missing, see `FrameColumns.names`.
        actions: The kinds that are told apart.

    Returns:
        int64 `[E]`: 0 where the kind is missing, 1 where it is no name of `actions`, then 2 on.

    Example:
        >>> action_indices(np.array(["5", "", "2"], object), ["4", "5"]).tolist()
        [3, 0, 1]
    """
    codes, distinct = pd.factorize(names)
    found = pd.Index(["", *actions]).get_indexer(pd.Index(distinct, dtype=object))
    indices = np.where(found > 0, found + 1, found == -1)
    return indices[codes].astype(np.int64)


def look_up_actions(strings: Tensor, actions: Sequence[str]) -> Tensor:
    """Returns the index of each event's kind, in a graph and without a table.

    Args:
        strings: Each event's kind, string `[M]`; "" is missing.
        actions: The kinds that are told apart.

    Returns:
        int64 `[M]`, as `action_indices`.
    """
    is_kind = tf.equal(strings[:, tf.newaxis], tf.constant(list(actions), tf.string))
    indices = tf.argmax(tf.cast(is_kind, tf.int32), axis=1) + NUM_RESERVED_INDICES
    indices = tf.where(tf.reduce_any(is_kind, axis=1), indices, UNKNOWN_INDEX)
    return tf.where(tf.equal(strings, ""), tf.cast(PADDING_INDEX, tf.int64), indices)
