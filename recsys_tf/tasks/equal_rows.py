"""Rows of a batch that hold the same vector of the same item."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from recsys_tf.types import Tensor


class RowGroups(NamedTuple):
    """Groups of equal rows.

    Attributes:
        rows: int32 `[G]`, one row of each group.
        of_rows: int32 `[B]`, the group of each row.
        counts: float32 `[G]`, the rows of each group.
    """

    rows: Tensor
    of_rows: Tensor
    counts: Tensor


def group_equal_rows(vectors: Tensor, items: Tensor) -> RowGroups:
    """Groups the rows of one item whose vectors are equal, bit by bit.

    Args:
        vectors: float32 `[B, D]`.
        items: int32 `[B]`.

    Returns:
        The groups; as many as rows where no two are equal.

    Example:
        >>> groups = group_equal_rows(tf.constant([[0.5], [1.0], [0.5]]), tf.constant([7, 8, 7]))
        >>> groups.of_rows.numpy().tolist(), groups.counts.numpy().tolist()
        ([0, 1, 0], [2.0, 1.0])
    """
    bits = tf.concat([tf.bitcast(vectors, tf.int32), items[:, tf.newaxis]], axis=1)
    _, of_rows, counts = tf.unique_with_counts(_keys(bits))
    positions = tf.range(tf.size(of_rows))
    rows = tf.math.unsorted_segment_min(positions, of_rows, tf.size(counts))
    is_equal = tf.equal(tf.gather(bits, tf.gather(rows, of_rows)), bits)
    # Unlike rows of one key are as rare as they can be; then every row stands for itself.
    return RowGroups(
        *tf.cond(
            tf.reduce_all(is_equal),
            lambda: (rows, of_rows, tf.cast(counts, tf.float32)),
            lambda: (positions, positions, tf.ones_like(positions, tf.float32)),
        )
    )


def _keys(bits: Tensor) -> Tensor:
    """Hashes rows `[B, D]` to int64 `[B]`; rows that differ in one unit never have the same key."""
    odd = np.random.default_rng(0).integers(2**62, size=bits.shape[1], dtype="int64") | 1
    return tf.reduce_sum(tf.cast(bits, tf.int64) * odd, axis=1)
