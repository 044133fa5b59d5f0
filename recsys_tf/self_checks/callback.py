"""Runs the self-checks at the end of the first epoch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys_tf.models.metrics import TaskMetrics
from recsys_tf.schema import TaskSpec
from recsys_tf.self_checks.finding import Finding
from recsys_tf.self_checks.labels import leaks, one_class
from recsys_tf.self_checks.outputs import disagreements, exact_auc
from recsys_tf.self_checks.signal import blind_tasks, dead_parts
from recsys_tf.types import Array

_LOGGER = logging.getLogger(__name__)

NUM_BATCHES = 4
"""Batches that are looked at."""

# Sigmoids of logits beyond it are 0 or 1 in float32.
_SMALLEST_PROBABILITY = 1e-7


class SelfChecks(keras.callbacks.Callback):
    """Looks for faults once, at the end of the first epoch, and tells each in one line.

    It takes a few seconds and changes nothing: neither weights nor the numbers that dropout draws.

    Args:
        dataset: Batches `(features, labels, weights)`, each a dict by name. Give a dataset of its
            own, such as another `data.dataset("train")`: a look into the one that is trained on
            would change the order in which its rows come.
        num_batches: Batches that are looked at.
        tell: Takes the line of each finding; None logs it as a warning.

    Attributes:
        findings: What was found, empty where all is well or no epoch has ended.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        num_batches: int = NUM_BATCHES,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__()
        if num_batches < 1:
            raise ValueError(f"`num_batches` must be at least 1, received {num_batches}.")
        self.findings: list[Finding] = []
        self._dataset = dataset
        self._num_batches = num_batches
        self._tell = tell or _LOGGER.warning
        self._is_done = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Runs the checks, the first time that it is called."""
        if self._is_done:
            return
        self._is_done = True
        self.findings = run_self_checks(self.model, self._dataset, self._num_batches)
        for finding in self.findings:
            self._tell(str(finding))


def run_self_checks(
    model: Any, dataset: tf.data.Dataset, num_batches: int = NUM_BATCHES
) -> list[Finding]:
    """Runs every check on the first batches of a dataset.

    Args:
        model: A compiled Keras model with `schema.tasks` and `task_losses(features, labels,
            outputs, weights)`, such as `Recommender`.
        dataset: Batches `(features, labels, weights)`, each a dict by name.
        num_batches: Batches that are looked at.

    Returns:
        What was found, empty where all is well.

    Raises:
        ValueError: If the dataset is empty.
    """
    batches = list(dataset.take(num_batches).as_numpy_iterator())
    if not batches:
        raise ValueError("`dataset` must hold at least one batch, received none.")
    rows = _joined(batches)
    tasks = [task for task in model.schema.tasks if task.kind != "retrieval"]
    findings = list(_of_labels(model.schema, rows))
    findings += _of_outputs(model, tasks, batches, rows)
    findings += _of_losses(model, tasks, batches[0])
    findings += _of_gradients(model, batches)
    return findings


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
    read |= {f.values_name for f in schema.features if f.kind == "history" and f.name in read}
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

    def losses_of(changed: dict[str, Array]) -> dict[str, float]:
        given = {**labels, **{name: tf.constant(each) for name, each in changed.items()}}
        found = model.task_losses(features, given, outputs, weights)
        return {name: float(loss) for name, loss in found.items()}

    names = [task.name for task in tasks]
    raw = {name: batch[1][name] for name in names}
    for name in blind_tasks(losses_of, raw, {name: batch[2][name] for name in names}):
        text = "the loss is the same when the labels change places: it does not see them."
        yield Finding("blind_loss", name, text)


def _of_gradients(model: Any, batches: list[Any]) -> Iterator[Finding]:
    named = [each for each in _named_variables(model) if not getattr(each[1], "is_idle", False)]
    variables = [each for _, each in named]

    # Not as a graph: to trace it costs more than to run it once.
    def reached(features: Any, labels: Any, weights: Any) -> list[bool]:
        with tf.GradientTape() as tape:
            # Without dropout, which would also move the state of its random numbers.
            outputs = model(features, training=False)
            losses = model.task_losses(features, labels, outputs, weights)
            total = tf.add_n([tf.cast(loss, tf.float32) for loss in losses.values()])
        gradients = tape.gradient(total, [each.value for each in variables])
        return [_is_any_number(each) for each in gradients]

    is_reached = np.zeros(len(variables), bool)
    for batch in batches:
        is_reached |= np.array(reached(*keras.tree.map_structure(tf.constant, batch)), bool)
        if is_reached.all():
            return
    by_path: dict[str, bool] = {}
    for (path, _), reached_here in zip(named, is_reached.tolist(), strict=True):
        # Two variables of one path: the living one must not hide the dead one.
        by_path[path] = by_path.get(path, True) and reached_here
    for part, dead in dead_parts(by_path).items():
        text = f"no gradient reaches its {len(dead)} variables ({dead[0]}); it does not learn."
        yield Finding("dead_part", part, text)


def _named_variables(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Trainable variables with their paths, below the names of the models that they are part of.

    A variable's own path begins at its layer, and both towers may have a layer of one name. What
    two models share stands under the first. A weighting's variables are left out.
    """
    seen: set[int] = set()
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            for path, variable in _named_variables(layer, f"{prefix}{layer.name}/"):
                if id(variable) not in seen:
                    seen.add(id(variable))
                    yield path, variable
    # A weighting learns from more than the tasks' losses, which are all that is looked at.
    weighting = getattr(model, "weighting", None)
    seen |= {id(each) for each in getattr(weighting, "trainable_variables", ())}
    for variable in model.trainable_variables:
        if id(variable) not in seen:
            yield f"{prefix}{variable.path}", variable


def _is_any_number(gradient: Any) -> bool:
    if gradient is None:
        return False
    # Of a table only the rows that were looked up.
    values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
    return bool(tf.reduce_any(tf.not_equal(values, 0)))
