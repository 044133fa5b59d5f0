"""What every retrieval loss over a table does before its own arithmetic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import tensorflow as tf

from recsys_tf.tasks.computed_table import raw_table
from recsys_tf.types import NUM_RESERVED_INDICES, Tensor


class RetrievalLoss(ABC):
    """Base class of losses that ask: which row of the table did each query meet?

    Calling it gives the weighted mean of the positions' losses, `sum_i w_i l_i / sum_i w_i`. Rows 0
    (padding) and 1 (unknown) of the table are no items: they are never negatives, and a position
    whose positive is one of them weighs nothing. Positions that weigh nothing are left out before
    any score is made: half of a batch of padded histories costs half of the time, and what stands
    there, be it NaN, reaches neither the loss nor a gradient.

    A subclass sets `_total` and `get_config`.
    """

    def __call__(
        self,
        queries: Tensor,
        positives: Tensor,
        table: Tensor,
        weights: Tensor | None = None,
        *,
        training: bool = True,
    ) -> Tensor:
        """Computes the loss.

        Args:
            queries: float `[M, D]`; scored in float32 whatever their dtype.
            positives: int `[M]`, the row of the table that each query met.
            table: float `[N, D]`, a `keras.Variable`, a `tf.Variable`, a tensor, or a
                `ComputedTable`.
            weights: float `[M]`, 0 or above; None weighs all positions alike.
            training: Whether the call is one of training, which `HardNegatives` counts.

        Returns:
            float32 scalar, 0 with gradients of 0 where all weights are 0.

        Raises:
            ValueError: If `queries` and `table` are not matrices of one width, or the table has no
                item.
        """
        _check_shapes(queries, table)
        positives = tf.cast(positives, tf.int32)
        weights = tf.ones_like(positives, tf.float32) if weights is None else weights
        is_item = positives >= NUM_RESERVED_INDICES
        weights = tf.where(is_item, tf.cast(weights, tf.float32), 0.0)
        kept = tf.cast(tf.where(weights > 0)[:, 0], tf.int32)
        weights = tf.gather(weights, kept)
        return self._total(
            _take(tf.cast(queries, tf.float32), kept),
            tf.gather(positives, kept),
            raw_table(table),
            tf.math.divide_no_nan(weights, tf.reduce_sum(weights)),
            training,
        )

    def forget(self) -> None:  # noqa: B027  Most losses keep nothing.
        """Lets go of what was kept of a table; called where a model gets other weights."""

    @abstractmethod
    def _total(
        self, queries: Tensor, positives: Tensor, table: Tensor, weights: Tensor, training: bool
    ) -> Tensor:
        """Sums `weights * losses` of positions that are items; the weights' sum is 1, or 0."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RetrievalLoss:
        """Makes the loss from what `get_config` returned."""
        return cls(**config)


@tf.custom_gradient
def _take(values: Tensor, rows: Tensor) -> tuple[Tensor, Any]:
    """Takes rows, each at most once; the gradient is dense, as what made the values wants it."""
    shape = tf.shape(values)
    taken = tf.ensure_shape(tf.gather(values, rows), [None, values.shape[1]])
    return taken, lambda upstream: (tf.scatter_nd(rows[:, tf.newaxis], upstream, shape), None)


def _check_shapes(queries: Tensor, table: Tensor) -> None:
    shapes = tuple(queries.shape), tuple(table.shape)
    if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            "`queries` must be [M, D] and `table` [N, D] of the same D, received the shapes "
            f"{shapes[0]} and {shapes[1]}. Flatten the positions of [B, L, D] first."
        )
    if shapes[1][0] is not None and shapes[1][0] <= NUM_RESERVED_INDICES:
        raise ValueError(
            "`table` must have an item after the rows of padding and unknown, received the shape "
            f"{shapes[1]}."
        )
