"""From one backward pass a task to one gradient a variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from recsys_tf.models.task_rows import TaskRows, joined_indices
from recsys_tf.types import Tensor, TensorDict
from recsys_tf.weighting import GradientWeighting


def combined_gradients(
    tape: tf.GradientTape,
    losses: TensorDict,
    weighting: GradientWeighting,
    shared: Sequence[Any],
    own: Sequence[Any] = (),
    penalty: Tensor | None = None,
) -> tuple[list[Any], TensorDict]:
    """Computes every variable's gradient: the tasks' weighed ones where they share it.

    What tasks share gets `sum_t a_t g_t` with the weighting's `a`, all else the sum of `w_t g_t`
    with the factors `w` of `weighting.loss_weights`. That is the variables of `own`, and the
    private parts of the others, such as a task's experts among batched ones, see `TaskRows`; they
    have no place in the Gram matrix either. Each task's pass gives both, so that `T` tasks cost
    `T` backward passes. A task whose gradients are not finite is left out of the step, in what is
    its own too: clipping by the joint norm would hand its NaN to all.

    Args:
        tape: A persistent tape that recorded the losses.
        losses: A scalar for each task of the weighting, before any factor.
        weighting: Balances the tasks; its state moves on by one step.
        shared: Variables that tasks have in common, wholly or in part, in an order that stays the
            same.
        own: The other variables; several tasks may reach one, and none need do.
        penalty: Regularisers' sum, whose gradient is added unweighed; None for none.

    Returns:
        A gradient for each of `shared` and then of `own`; None where nothing reaches a variable,
        `tf.IndexedSlices` where only rows of it are read. In those no index stands twice for a
        shared variable. And by task, bool, whether its gradients are finite, and so in the step.

    Raises:
        ValueError: If a task is unknown or missing, or there is no shared variable.

    Example:
        >>> from recsys_tf.weighting import PCGrad
        >>> x, y = tf.Variable([1.0, 1.0]), tf.Variable(1.0)
        >>> with tf.GradientTape(persistent=True) as tape:
        ...     losses = {"click": x[0] - 2 * x[1], "rating": x[0] + x[1] + y}
        >>> weighting = PCGrad({"click": 1.0, "rating": 1.0})
        >>> gradients, is_finite = combined_gradients(tape, losses, weighting, [x], [y])
        >>> gradients[0].numpy().round(3), float(gradients[1])
        (array([ 2.7, -0.9], dtype=float32), 1.0)
        >>> {task: bool(each) for task, each in is_finite.items()}
        {'click': True, 'rating': True}
    """
    if not shared:
        raise ValueError("`shared` must hold at least one variable, received none.")
    stacked = weighting.stack(losses)
    by_task = task_gradients(tape, losses, weighting.task_names, [*shared, *own])
    shared_rows = [TaskRows([of_task[v] for of_task in by_task]) for v in range(len(shared))]
    grams = tf.stack([rows.gram for rows in shared_rows])
    gram = grams if weighting.is_per_variable else tf.reduce_sum(grams, axis=0)
    weights = tf.broadcast_to(weighting.task_weights(gram, stacked), grams.shape[:2])
    of_own = [of_task[len(shared) :] for of_task in by_task]
    is_finite = tf.reduce_all([_are_finite(of_own), *(r.is_finite for r in shared_rows)], axis=0)
    factors = tf.where(is_finite, weighting.factors, 0.0)
    combined = [rows.combine(weights[v], factors) for v, rows in enumerate(shared_rows)]
    for of_variable in zip(*of_own, strict=True):
        parts = zip(tf.unstack(factors), of_variable, strict=True)
        combined.append(_sum([_scale(g, f) for f, g in parts if g is not None]))
    if penalty is not None:
        of_penalty = tape.gradient(penalty, [*shared, *own])
        pairs = zip(combined, of_penalty, strict=True)
        combined = [_sum([g for g in pair if g is not None]) for pair in pairs]
    return combined, dict(zip(weighting.task_names, tf.unstack(is_finite), strict=True))


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
            joined_indices(gradients),
            gradients[0].dense_shape,
        )
    return tf.add_n([tf.convert_to_tensor(g) for g in gradients])
