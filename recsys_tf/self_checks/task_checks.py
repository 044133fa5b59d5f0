"""Runs the checks of a model of several tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys_tf.models.batches import complete_weights
from recsys_tf.models.metrics import TaskMetrics
from recsys_tf.schema import TaskSpec
from recsys_tf.self_checks.finding import Finding
from recsys_tf.self_checks.labels import leaks, one_class
from recsys_tf.self_checks.outputs import disagreements, exact_auc
from recsys_tf.self_checks.signal import blind_tasks
from recsys_tf.self_checks.unreached import unreached_parts
from recsys_tf.types import Array

# Sigmoids of logits beyond it are 0 or 1 in float32.
_SMALLEST_PROBABILITY = 1e-7


def check_tasks(model: Any, batches: Sequence[Any]) -> list[Finding]:
    """Runs every check that is one of tasks.

    Args:
        model: A compiled Keras model with `schema.tasks` and `task_losses(features, labels,
            outputs, weights)`, such as `Recommender`.
        batches: One or more `(features, labels, weights)`, arrays by name; without weights all rows
            weigh alike.

    Returns:
        What was found, empty where all is well.
    """
    batches = [_complete(each) for each in batches]
    rows = _joined(batches)
    tasks = [task for task in model.schema.tasks if task.kind != "retrieval"]
    findings = list(_of_labels(model.schema, rows))
    findings += _of_outputs(model, tasks, batches, rows)
    findings += _of_losses(model, tasks, batches[0])
    findings += unreached_parts(model, batches, lambda *batch: _total_loss(model, *batch))
    return findings


def _complete(batch: Any) -> Any:
    features, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
    weights = complete_weights(labels, weights)
    return features, labels, {name: np.asarray(each) for name, each in weights.items()}


def _joined(batches: list[Any]) -> Any:
    return keras.tree.map_structure(lambda *each: np.concatenate(each), *batches)


def _of_labels(schema: Any, rows: Any) -> Iterator[Finding]:
    features, labels, weights = rows
    for task in schema.tasks:
        of_task, weight = labels[task.name], weights[task.name]
        if task.kind == "retrieval":
            if not (weight > 0).any():
                yield Finding("one_class", task.name, f"none of {len(weight)} rows is a positive.")
            continue
        reason = one_class(of_task, weight)
        if reason is not None:
            text = f"{reason} in the {len(weight)} rows looked at; there is nothing to learn."
            yield Finding("one_class", task.name, text)
            continue
        for name in leaks(of_task, _read_by(task, features, schema), weight):
            text = (
                f"the feature {name!r} alone gives the label away; is it known before the event? "
                "Else leave it out of the schema."
            )
            yield Finding("leak", task.name, text)


def _read_by(task: TaskSpec, features: Mapping[str, Array], schema: Any) -> dict[str, Array]:
    """The features that a task's head sees."""
    if task.from_features is None:
        return dict(features)
    read = set(task.from_features)
    histories = [each for each in schema.features if each.kind == "history" and each.name in read]
    read |= {name for each in histories for name in each.aligned.values()}
    return {name: values for name, values in features.items() if name in read}


def _of_outputs(
    model: Any, tasks: list[TaskSpec], batches: list[Any], rows: Any
) -> Iterator[Finding]:
    features, labels, weights = rows
    # What `predict` runs, but not as a graph: to trace it takes longer than all checks together.
    of_batches = [model.predict_step(keras.tree.map_structure(tf.constant, b[0])) for b in batches]
    predictions = _joined(of_batches)
    for task in tasks:
        if task.kind == "multiclass":
            continue
        reason = exact_auc(labels[task.name], predictions[task.name], weights[task.name])
        if reason is not None:
            text = f"{reason}; look for a head without inputs, or for the label among them."
            yield Finding("exact_auc", task.name, text)
    weights = dict(weights)
    for task in tasks:
        weights[task.name] = weights[task.name] * _is_unclipped(task, predictions[task.name])
    batch_size = len(next(iter(batches[0][1].values())))
    dataset = tf.data.Dataset.from_tensor_slices((features, labels, weights)).batch(batch_size)
    evaluated = model.evaluate(dataset, verbose=0, return_dict=True)
    recomputed = _metrics(tasks, labels, predictions, weights)
    for name in disagreements(recomputed, evaluated):
        text = f"{recomputed[name]:.4f} from `predict`, {evaluated[name]:.4f} from `evaluate`."
        yield Finding("predict_unlike_evaluate", name, text)


def _metrics(
    tasks: list[TaskSpec], labels: Any, predictions: Any, weights: Any
) -> dict[str, float]:
    """The metrics that `fit` and `evaluate` report, of the numbers that `predict` gave."""
    metrics = TaskMetrics(tasks)
    outputs = {task.name: _logits(task, predictions[task.name]) for task in tasks}
    metrics.update(labels, outputs, weights)
    return {
        metric.name: float(metric.result()) for each in metrics.of_task.values() for metric in each
    }


def _is_unclipped(task: TaskSpec, predictions: Array) -> Array:
    """Float32 `[B]`, 0 where `predict` may have kept inside its range what `evaluate` measures."""
    if task.value_range is None:
        return np.ones(len(predictions), np.float32)
    low, high = task.value_range
    return ((predictions != low) & (predictions != high)).astype(np.float32)


def _logits(task: TaskSpec, predictions: Array) -> Array:
    if task.kind == "regression":
        return predictions
    clipped = np.clip(predictions, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    return np.log(clipped) - np.log1p(-clipped)


def _of_losses(model: Any, tasks: list[TaskSpec], batch: Any) -> Iterator[Finding]:
    features, labels, weights = keras.tree.map_structure(tf.constant, batch)
    rng = np.random.default_rng(0)
    # Where all predictions are equal, no loss can tell one order of the labels from another.
    outputs = {
        name: values + tf.constant(rng.normal(size=values.shape), values.dtype)
        for name, values in model(features, training=False).items()
    }
    raw = {task.name: batch[1][task.name] for task in tasks}
    retrieval = getattr(model.schema, "retrieval_task", None)
    if retrieval is not None:
        # What it is asked for are the rows' items.
        raw[retrieval.name] = batch[0][model.schema.item_id]

    def losses_of(changed: dict[str, Array]) -> dict[str, float]:
        given = {**labels, **{task.name: tf.constant(changed[task.name]) for task in tasks}}
        read, found = features, outputs
        if retrieval is not None:
            read, found = _with_items(changed[retrieval.name], features, outputs, model.schema)
        losses = model.task_losses(read, given, found, weights)
        return {name: float(loss) for name, loss in losses.items()}

    for name in blind_tasks(losses_of, raw, {name: batch[2][name] for name in raw}):
        text = "the loss is the same when the labels change places: it does not see them."
        yield Finding("blind_loss", name, text)


def _with_items(items: Array, features: Any, outputs: Any, schema: Any) -> tuple[Any, Any]:
    """Puts other items of the batch into its rows, with the vectors that they have there."""
    known, rows = np.unique(np.asarray(features[schema.item_id]), return_index=True)
    vectors = tf.gather(outputs["candidate_embedding"], rows[np.searchsorted(known, items)])
    return (
        {**features, schema.item_id: tf.constant(items)},
        {**outputs, "candidate_embedding": vectors},
    )


def _total_loss(model: Any, features: Any, labels: Any, weights: Any) -> Any:
    # Without dropout, which would also move the state of its random numbers.
    outputs = model(features, training=False)
    losses = model.task_losses(features, labels, outputs, weights)
    return tf.add_n([tf.cast(loss, tf.float32) for loss in losses.values()])
