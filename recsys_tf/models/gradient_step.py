"""Steps of training: by one joined loss, or by the gradient of each task by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from recsys_tf.heads import TaskHeads
from recsys_tf.layers import Bilinear
from recsys_tf.models.batches import checked_labels, complete_weights
from recsys_tf.models.task_gradients import combined_gradients
from recsys_tf.types import Tensor, TensorDict


def variable_groups(core: keras.Model) -> tuple[list[keras.Variable], list[keras.Variable]]:
    """Parts the trainable variables that tasks share, wholly or in part, from the heads'.

    Args:
        core: Features -> logits by task.

    Returns:
        The shared variables, and the heads' own; a task's bilinear matrix is part of its head.
    """
    kinds = (TaskHeads, Bilinear)
    heads = [each for each in _layers_below(core) if isinstance(each, kinds)]
    own = [variable for each in heads for variable in each.trainable_variables]
    known = {id(variable) for variable in own}
    return [each for each in core.trainable_variables if id(each) not in known], own


def without_loss_scale(optimizer: Any) -> keras.optimizers.Optimizer:
    """Returns the optimiser, which steps by gradients that no loss was scaled for.

    Args:
        optimizer: A Keras optimiser or its name.

    Raises:
        ValueError: If it scales losses.
    """
    optimizer = keras.optimizers.get(optimizer)
    if (
        isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        or optimizer.loss_scale_factor is not None
    ):
        # It would divide gradients by a factor that no loss was multiplied by.
        raise ValueError(
            f"`optimizer` must not scale losses where gradients are weighted, received "
            f"{type(optimizer).__name__} with a loss scale. Train in 'mixed_bfloat16', which needs "
            "none."
        )
    return optimizer


def take_loss_step(model: Any, data: Any) -> Any:
    """Takes a step by the joined loss, or none where that or its gradient is not finite.

    One task's NaN would reach every variable that the task shares, and by the clipping of the joint
    norm all others: such a step trains no variable and leaves the optimiser's. What the batch is
    counted and drawn by goes on: sights of ids, seeds, moving statistics as far as they are finite,
    and what the weighting follows of the other tasks. The broken task cannot be taken out of the
    sum instead: 0 times the NaN of its derivatives is NaN. A finite loss whose gradient is not is
    told as NaN, so that whoever trains hears of it.

    Args:
        model: A compiled `MultitaskModel`.
        data: A batch: features, labels and weights.

    Returns:
        What `compute_metrics` returns of the outputs before the step.
    """
    features, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    with tf.GradientTape() as tape:
        outputs = model(features, training=True)
        loss = model.compute_loss(features, labels, outputs, weights, training=True)
        scaled = model.optimizer.scale_loss(loss)
    variables = model.trainable_variables
    gradients = tape.gradient(scaled, [variable.value for variable in variables])
    # Its variables cannot be made inside of a branch.
    if not model.optimizer.built:
        with tf.init_scope():
            model.optimizer.build(variables)
    is_sound = tf.math.is_finite(loss)
    # One that scales losses looks at the gradients itself, and scales less where they overflow.
    if not isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        # A CPU's fused dense layer and ReLU make 0 of a NaN, and its gradient is NaN still.
        is_sound &= tf.math.is_finite(tf.linalg.global_norm(gradients))
    tf.cond(is_sound, lambda: model.optimizer.apply(gradients, variables), lambda: None)
    # Of a joined loss nobody knows whose.
    _tell_step(model, features, loss, dict.fromkeys(model.loss_weights, is_sound))
    return model.compute_metrics(features, labels, outputs, weights)


def take_gradient_step(model: Any, data: Any) -> Any:
    """Takes a step by the gradients that the model's weighting makes of the tasks'.

    A task whose gradient is not finite is left out, see `combined_gradients`; the loss is told as
    NaN then, as of `take_loss_step`.

    Args:
        model: A `MultitaskModel` that is compiled with a `GradientWeighting`.
        data: A batch: features, labels and weights.

    Returns:
        What `compute_metrics` returns of the outputs before the step.
    """
    features, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    labels = checked_labels(labels, model.schema.tasks)
    weights = complete_weights(labels, weights)
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(features, training=True)
        losses = model.task_losses(features, labels, outputs, weights, training=True)
        penalty = sum(model.losses) if model.losses else None
    shared, own = variable_groups(model.core)
    gradients, is_finite = combined_gradients(
        tape,
        losses,
        model.weighting,
        [variable.value for variable in shared],
        [variable.value for variable in own],
        penalty,
    )
    model.optimizer.apply(gradients, [*shared, *own])
    label_weights = model.label_weights(features, labels, weights)
    model.task_metrics.update_losses(losses, label_weights)
    loss = model.weighting(losses) + (0.0 if penalty is None else penalty)
    _tell_step(model, features, loss, is_finite)
    return model.compute_metrics(features, labels, outputs, weights)


def _tell_step(model: Any, features: TensorDict, loss: Tensor, is_finite: TensorDict) -> None:
    """Adds what the step lowered to the running loss, NaN where a gradient is not finite."""
    model.task_metrics.first_broken_step.mark_gradients(is_finite)
    loss = tf.where(tf.reduce_all(list(is_finite.values())), loss, float("nan"))
    num_rows = ops.shape(next(iter(features.values())))[0]
    tracker = next(each for each in model.metrics if each.name == "loss")
    tracker.update_state(loss, sample_weight=num_rows)


def _layers_below(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers_below(layer)
