"""The Keras metrics of each task, as they stand in the history of `fit`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from recsys_tf.losses import present_labels
from recsys_tf.models.first_broken_step import FirstBrokenStep
from recsys_tf.models.logit_auc import LogitAUC
from recsys_tf.schema import TaskSpec
from recsys_tf.types import NUM_RESERVED_INDICES, TensorDict

_METRICS = {
    "regression": {"rmse": keras.metrics.RootMeanSquaredError},
    "binary": {"auc": LogitAUC},
    "multiclass": {"accuracy": keras.metrics.SparseCategoricalAccuracy},
    "multilabel": {"auc": LogitAUC},
    "retrieval": {},
}


class TaskMetrics(keras.layers.Layer):
    """Holds a running loss for each task and the metrics of its kind.

    They are called `<task>_loss`, `<task>_rmse`, `<task>_auc`, `<task>_accuracy`: means over the
    rows with the task's label, by their weights. For retrieval only the loss is kept here, since
    ranks within a batch say little; the whole catalogue is ranked by
    `evaluation.model_ranking`.

    Args:
        tasks: The tasks.
    """

    def __init__(self, tasks: Iterable[TaskSpec]) -> None:
        super().__init__(name="task_metrics", trainable=False)
        self.tasks = tuple(tasks)
        self.loss_means = {
            task.name: keras.metrics.Mean(name=f"{task.name}_loss") for task in self.tasks
        }
        self.first_broken_step = FirstBrokenStep(task.name for task in self.tasks)
        self.of_task = {
            task.name: [
                metric(name=f"{task.name}_{name}") for name, metric in _METRICS[task.kind].items()
            ]
            for task in self.tasks
        }

    def update_losses(self, losses: TensorDict, label_weights: TensorDict) -> None:
        """Adds a batch's losses to the running means.

        Args:
            losses: By task, each a mean over the rows with its label.
            label_weights: By task, what these rows weigh together; a batch without counts nothing.
        """
        for name, loss in losses.items():
            self.loss_means[name].update_state(loss, sample_weight=label_weights[name])
        self.first_broken_step.update_state(losses)

    def update(self, labels: TensorDict, outputs: TensorDict, weights: Any) -> None:
        """Adds a batch's rows to the metrics; rows without a label count for nothing.

        Of several labels those that a row can have count: padding and "unknown" never are true.
        """
        for task in self.tasks:
            for metric in self.of_task[task.name]:
                label, output = labels[task.name], outputs[task.name]
                if task.kind == "multilabel":
                    label, output = (each[:, NUM_RESERVED_INDICES:] for each in (label, output))
                present, mask = present_labels(label)
                metric.update_state(present, output, sample_weight=mask * weights[task.name])
