"""From one backward pass a task to one gradient a variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from recsys_tf.types import Tensor, TensorDict
from recsys_tf.weighting import GradientWeighting


def combined_gradients(
    tape: tf.GradientTape,
    losses: TensorDict,
    weighting: GradientWeighting,
    shared: Sequence[Any],
    own: Sequence[Any] = (),
    penalty: Tensor | None = None,
) -> list[Any]:
    """Computes every variable's gradient: the tasks' weighed ones where they share it.

    A shared variable gets `sum_t a_t g_t` with the weighting's `a`, another the sum of
    `w_t g_t` with the factors `w` of `weighting.loss_weights`. Each task's pass gives both, so
    that `T` tasks cost `T` backward passes. A task whose gradients are not finite is left out of
    the step, in its own variables too: clipping by the joint norm would hand its NaN to all.

    Args:
        tape: A persistent tape that recorded the losses.
        losses: A scalar for each task of the weighting, before any factor.
        weighting: Balances the tasks; its state moves on by one step.
        shared: Variables of the tasks in common, in an order that stays the same.
        own: The other variables; a task need not reach all of them.
        penalty: Regularisers' sum, whose gradient is added unweighed; None for none.

    Returns:
        A gradient for each of `shared` and then of `own`; None where nothing reaches a variable,
        `tf.IndexedSlices` where only rows of it are read. In those no index stands twice for a
        shared variable.

    Raises:
        ValueError: If a task is unknown or missing, or there is no shared variable.

    Example:
        >>> from recsys_tf.weighting import PCGrad
        >>> x, y = tf.Variable([1.0, 1.0]), tf.Variable(1.0)
        >>> with tf.GradientTape(persistent=True) as tape:
        ...     losses = {"click": 2 * x[0] - x[1], "rating": x[1] + y}
        >>> weighting = PCGrad({"click": 1.0, "rating": 1.0})
        >>> gradients = combined_gradients(tape, losses, weighting, [x], [y])
        >>> gradients[0].numpy().round(3), float(gradients[1])
        (array([2.4, 0.8], dtype=float32), 1.0)
    """
    if not shared:
        raise ValueError("`shared` must hold at least one variable, received none.")
    stacked = weighting.stack(losses)
    by_task = task_gradients(tape, losses, weighting.task_names, [*shared, *own])
    shared_rows = [TaskRows([of_task[v] for of_task in by_task]) for v in range(len(shared))]
    grams = tf.stack([rows.gram for rows in shared_rows])
    sum_of_grams = tf.reduce_sum(grams, axis=0)
    gram = grams if weighting.is_per_variable else sum_of_grams
    weights = tf.broadcast_to(weighting.task_weights(gram, stacked), grams.shape[:2])
    combined = [rows.combine(weights[v]) for v, rows in enumerate(shared_rows)]
    of_own = [of_task[len(shared) :] for of_task in by_task]
    is_finite = _are_finite(of_own) & tf.math.is_finite(tf.linalg.diag_part(sum_of_grams))
    factors = tf.unstack(tf.where(is_finite, weighting.factors, 0.0))
    for of_variable in zip(*of_own, strict=True):
        parts = [(f, g) for f, g in zip(factors, of_variable, strict=True) if g is not None]
        combined.append(_sum([_scale(g, f) for f, g in parts]))
    if penalty is not None:
        of_penalty = tape.gradient(penalty, [*shared, *own])
        pairs = zip(combined, of_penalty, strict=True)
        combined = [_sum([g for g in pair if g is not None]) for pair in pairs]
    return combined


def task_gradients(
    tape: tf.GradientTape, losses: TensorDict, task_names: Sequence[str], variables: Sequence[Any]
) -> list[list[Any]]:
    """Computes each task's gradient of every variable, in one backward pass a task.

    Args:
        tape: A persistent tape that recorded the losses.
        losses: A scalar for each task.
        task_names: The tasks, in the order of the result.
        variables: What to differentiate by.

    Returns:
        For each task a gradient a variable: a tensor, `tf.IndexedSlices`, or None where the task
        does not reach it.
    """
    return [tape.gradient(losses[task], list(variables)) for task in task_names]


class TaskRows:
    """All tasks' gradients of one variable, as a matrix of a row a task.

    Rows of a table that some tasks read (`tf.IndexedSlices`) stay the only rows: the indices of
    all tasks are joined and each task's slices of one index summed. A table of any size costs
    what the batch reads of it.

    Args:
        gradients: The variable's gradient for each task, None where a task does not reach it.

    Example:
        >>> values, indices = tf.constant([[1.0], [2.0]]), tf.constant([7, 7])
        >>> rows = TaskRows([tf.IndexedSlices(values, indices, [1000, 1]), None])
        >>> rows.gram.numpy().tolist()
        [[9.0, 0.0], [0.0, 0.0]]
        >>> rows.combine(tf.constant([0.5, 1.0])).indices.numpy().tolist()
        [7]
    """

    def __init__(self, gradients: Sequence[Any]) -> None:
        self.indices: Any = None
        self.found = [g for g in gradients if g is not None]
        if not self.found:
            self.matrix = tf.zeros([len(gradients), 0])
        elif all(isinstance(g, tf.IndexedSlices) for g in self.found):
            self.indices, self.matrix = _on_joined_indices(gradients)
            values = self.found[0].values
            self.shape = tf.concat([tf.shape(self.indices), tf.shape(values)[1:]], axis=0)
        else:
            known = tf.convert_to_tensor(self.found[0])
            self.shape = tf.shape(known)
            dense = [tf.zeros_like(known) if g is None else g for g in gradients]
            self.matrix = tf.stack([tf.reshape(_float32(g), [-1]) for g in dense])
        # Inner products of the tasks' gradients, float32 `[T, T]`. In float64, since GPUs multiply
        # matrices of float32 in TF32, of 10 bits.
        wide = tf.cast(self.matrix, tf.float64)
        self.gram = tf.cast(tf.matmul(wide, wide, transpose_b=True), tf.float32)

    def combine(self, weights: Tensor) -> Any:
        """Computes `sum_t a_t g_t` in the form that the gradients came in.

        Args:
            weights: float32 `[T]`; a weight of 0 takes out a gradient of NaN too.

        Returns:
            A tensor or `tf.IndexedSlices`; None where no task reaches the variable.
        """
        if not self.found:
            return None
        # 0 times NaN is NaN: broken rows are emptied, with no copy made where there are none.
        is_finite = tf.math.is_finite(tf.linalg.diag_part(self.gram))
        matrix = tf.cond(
            tf.reduce_all(is_finite),
            lambda: self.matrix,
            lambda: tf.where(is_finite[:, None], self.matrix, 0.0),
        )
        # No matrix product, which would be of TF32 again.
        combined = tf.reshape(tf.reduce_sum(weights[:, None] * matrix, axis=0), self.shape)
        combined = tf.cast(combined, self.found[0].dtype)
        if self.indices is None:
            return combined
        return tf.IndexedSlices(combined, self.indices, self.found[0].dense_shape)


def _on_joined_indices(gradients: Sequence[Any]) -> tuple[Any, Any]:
    """Returns the indices of all slices, each once, and the summed slices as a row a task."""
    found = [g for g in gradients if g is not None]
    tasks = [task for task, g in enumerate(gradients) if g is not None]
    unique, positions = tf.unique(_joined_indices(found))
    size = tf.size(unique)
    # All tasks' rows in one sum: task t's begin at t * size.
    starts = size * tf.repeat(tasks, [tf.size(g.indices) for g in found])
    values = tf.concat([_float32(g.values) for g in found], axis=0)
    rows = tf.math.unsorted_segment_sum(values, starts + positions, size * len(gradients))
    # -1 would not be told for a batch without rows.
    width = tf.size(rows) // len(gradients)
    return unique, tf.reshape(rows, [len(gradients), width])


def _float32(gradient: Any) -> Any:
    return tf.cast(tf.convert_to_tensor(gradient), tf.float32)


def _joined_indices(slices: Sequence[Any]) -> Any:
    # Tasks may read a table by indices of another width.
    return tf.concat([tf.cast(each.indices, tf.int64) for each in slices], axis=0)


def _are_finite(by_task: Sequence[Sequence[Any]]) -> Any:
    """Tells of each task whether all its gradients are finite, bool `[T]`."""
    norms = [
        tf.add_n([tf.zeros([]), *(_float32_norm(g) for g in of_task if g is not None)])
        for of_task in by_task
    ]
    return tf.math.is_finite(tf.stack(norms))


def _float32_norm(gradient: Any) -> Any:
    return tf.cast(tf.nn.l2_loss(getattr(gradient, "values", gradient)), tf.float32)


def _scale(gradient: Any, factor: Any) -> Any:
    """Multiplies a gradient; a factor of 0 takes out NaN too."""
    if isinstance(gradient, tf.IndexedSlices):
        values = _scale(gradient.values, factor)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return tf.math.multiply_no_nan(gradient, tf.cast(factor, gradient.dtype))


def _sum(gradients: Sequence[Any]) -> Any:
    """Adds gradients; slices stay slices where there is nothing else."""
    if len(gradients) < 2:
        return gradients[0] if gradients else None
    if all(isinstance(g, tf.IndexedSlices) for g in gradients):
        return tf.IndexedSlices(
            tf.concat([g.values for g in gradients], axis=0),
            _joined_indices(gradients),
            gradients[0].dense_shape,
        )
    return tf.add_n([tf.convert_to_tensor(g) for g in gradients])
