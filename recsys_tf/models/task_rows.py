"""All tasks' gradients of one variable side by side: what they share of it, and what is private."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from recsys_tf.types import Tensor


class TaskRows:
    """All tasks' gradients of one variable, as a row a task, and what they share of it.

    Rows of a table that some tasks read (`tf.IndexedSlices`) stay the only rows: the indices of
    all tasks are joined and each task's slices of one index summed. A table of any size costs
    what the batch reads of it.

    A variable may hold parts of single tasks: the experts of batched experts, the columns of gates,
    the units of a table that one task reads. A part is a slice along any axis but a table's rows,
    which say only whose labels stand in the batch. Where at most one task's finite gradient is not
    0 in it there is nothing to balance: the part is private, and stays out of the Gram matrix.

    Args:
        gradients: The variable's gradient for each task, None where a task does not reach it.

    Attributes:
        gram: Inner products of the tasks' gradients over what they share, float32 `[T, T]`.
        is_finite: Of each task whether its gradient is, bool `[T]`.

    Example:
        >>> values, indices = tf.constant([[1.0, 0.0], [2.0, 1.0]]), tf.constant([7, 7])
        >>> first = tf.IndexedSlices(values, indices, [1000, 2])
        >>> rows = TaskRows([first, tf.IndexedSlices(values[:1], indices[:1], [1000, 2])])
        >>> rows.gram.numpy().tolist()  # of the first column: the second is the first task's
        [[9.0, 3.0], [3.0, 1.0]]
        >>> combined = rows.combine(tf.constant([0.5, 1.0]), tf.constant([3.0, 3.0]))
        >>> combined.values.numpy().tolist(), combined.indices.numpy().tolist()
        ([[2.5, 3.0]], [7])
    """

    def __init__(self, gradients: Sequence[Any]) -> None:
        num_tasks = len(gradients)
        self.indices: Any = None
        self.found = [g for g in gradients if g is not None]
        if not self.found:
            self.is_finite = tf.fill([num_tasks], True)
            self.gram = tf.zeros([num_tasks, num_tasks])
            return
        is_sparse = [isinstance(g, tf.IndexedSlices) for g in self.found]
        if all(is_sparse):
            self.indices, self.matrix = _on_joined_indices(gradients)
        else:
            known = tf.zeros_like(tf.convert_to_tensor(self.found[0]))
            self.matrix = tf.stack([_float32(known if g is None else g) for g in gradients])
        self._find_parts(first_axis=2 if any(is_sparse) else 1)
        common = self.matrix * tf.where(self.is_private, 0.0, 1.0)
        # In float64, since GPUs multiply matrices of float32 in TF32, of 10 bits.
        wide = tf.cast(tf.reshape(common, [num_tasks, -1]), tf.float64)
        self.gram = tf.cast(tf.matmul(wide, wide, transpose_b=True), tf.float32)

    def _find_parts(self, first_axis: int) -> None:
        """Finds the finite tasks, and the entries in parts of at most one of them.

        Args:
            first_axis: The first axis of the matrix along which a slice is a part; 0 is the tasks.
        """
        axes = range(1, self.matrix.shape.rank)
        sizes = tf.abs(self.matrix)
        whole = tf.reduce_sum(sizes, axis=axes, keepdims=True)
        is_finite = tf.math.is_finite(whole)
        self.is_finite = tf.reshape(is_finite, [-1])
        # By broadcast to the variable's shape.
        self.is_private = _is_of_one((whole > 0) & is_finite)
        for axis in range(first_axis, self.matrix.shape.rank):
            of_parts = tf.reduce_sum(sizes, axis=[a for a in axes if a != axis], keepdims=True)
            self.is_private |= _is_of_one((of_parts > 0) & is_finite)

    def combine(self, weights: Tensor, factors: Tensor) -> Any:
        """Computes `sum_t a_t g_t`, and `sum_t w_t g_t` in private parts, in the gradients' form.

        Args:
            weights: float32 `[T]`, the `a` of what the tasks share.
            factors: float32 `[T]`, the `w` of private parts.

        Returns:
            A tensor or `tf.IndexedSlices`; None where no task reaches the variable. A gradient
            that is not finite is left out.
        """
        if not self.found:
            return None
        by_task = [-1, *[1] * (self.matrix.shape.rank - 1)]
        # 0 times NaN is NaN: broken rows are emptied, with no copy made where there are none.
        matrix = tf.cond(
            tf.reduce_all(self.is_finite),
            lambda: self.matrix,
            lambda: tf.where(tf.reshape(self.is_finite, by_task), self.matrix, 0.0),
        )
        # No matrix product, which would be of TF32 again.
        of_common, of_private = (
            tf.reduce_sum(tf.reshape(each, by_task) * matrix, axis=0) for each in (weights, factors)
        )
        combined = tf.where(self.is_private, of_private, of_common)
        combined = tf.cast(combined, self.found[0].dtype)
        if self.indices is None:
            return combined
        return tf.IndexedSlices(combined, self.indices, self.found[0].dense_shape)


def joined_indices(slices: Sequence[Any]) -> Any:
    """Returns the indices of several `tf.IndexedSlices` one after the other, int64.

    Tasks may read a table by indices of another width.
    """
    return tf.concat([tf.cast(each.indices, tf.int64) for each in slices], axis=0)


def _on_joined_indices(gradients: Sequence[Any]) -> tuple[Any, Any]:
    """Returns the indices of all slices, each once, and the summed slices, `[T, indices, ...]`."""
    found = [g for g in gradients if g is not None]
    tasks = [task for task, g in enumerate(gradients) if g is not None]
    unique, positions = tf.unique(joined_indices(found))
    size = tf.size(unique)
    # All tasks' rows in one sum: task t's begin at t * size.
    starts = size * tf.repeat(tasks, [tf.size(g.indices) for g in found])
    values = tf.concat([_float32(g.values) for g in found], axis=0)
    rows = tf.math.unsorted_segment_sum(values, starts + positions, size * len(gradients))
    # -1 would not be told for a batch without rows.
    shape = tf.concat([[len(gradients), size], tf.shape(values)[1:]], axis=0)
    return unique, tf.reshape(rows, shape)


def _is_of_one(is_reached: Any) -> Any:
    """Counts the tasks of bool `[T, ...]`; tells where there is at most one, bool `[...]`."""
    return tf.reduce_sum(tf.cast(is_reached, tf.int32), axis=0) <= 1


def _float32(gradient: Any) -> Any:
    return tf.cast(tf.convert_to_tensor(gradient), tf.float32)
