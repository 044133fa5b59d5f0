"""Labels, weights and slices of an example, for TensorFlow Model Analysis."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from recsys_tf.features import Preprocessor, label_columns, make_labels
from recsys_tf.features.tf_example import parse_raw
from recsys_tf.schema import Schema
from recsys_tf.types import UNKNOWN_INDEX, Tensor

ACTIVITY_BOUNDS = (0, 10, 50)
"""Upper ends of the buckets of events in a user's history, the last open."""

ACTIVITY_NAMES = ("no events", "1-10 events", "11-50 events", "more than 50 events")


def evaluation_inputs(
    schema: Schema, preprocessor: Preprocessor
) -> Callable[[Tensor], dict[str, Tensor]]:
    """Returns what the Evaluator needs beside the predictions, as a function of examples.

    TensorFlow Model Analysis calls the signature `transformed_labels` by itself and looks labels,
    weights and slices up in its result. Its metrics know no missing label: here such a row gets
    the label 0 and the weight 0.

    Args:
        schema: Features and tasks.
        preprocessor: Makes indices, from which an unknown user is told.

    Returns:
        A function from serialised examples, string `[B]`, to `<task>_label` and `<task>_weight`,
        float32 `[B]`, `is_new_user` and `activity`, string `[B]`.
    """

    def inputs(serialized: Tensor) -> dict[str, Tensor]:
        raw = parse_raw(serialized, schema, has_labels=True)
        features = preprocessor(raw)
        columns = {name: raw[name] for name in label_columns(schema)}
        labels, weights = make_labels(
            columns, features, schema, preprocessor.state.num_indices_by_name
        )
        outputs: dict[str, Tensor] = {}
        for task in schema.tasks:
            if task.kind in ("retrieval", "regression", "binary"):
                label = labels[task.name]
                is_given = tf.math.is_finite(label)
                weight = tf.where(is_given, weights[task.name], 0.0)
                outputs[label_name(task.name)] = tf.where(is_given, label, 0.0)
                outputs[weight_name(task.name)] = weight
        is_new = features[schema.user_id] <= UNKNOWN_INDEX
        outputs["is_new_user"] = tf.where(is_new, "yes", "no")
        if schema.history is not None:
            num_events = tf.reduce_sum(tf.cast(features[schema.history.name] > 0, tf.int32), 1)
            bucket = tf.searchsorted(ACTIVITY_BOUNDS, num_events)
            outputs["activity"] = tf.gather(tf.constant(ACTIVITY_NAMES), bucket)
        return outputs

    return inputs


def label_name(task: str) -> str:
    """Returns the name of a task's label among the evaluation inputs."""
    return f"{task}_label"


def weight_name(task: str) -> str:
    """Returns the name of a task's weight among the evaluation inputs."""
    return f"{task}_weight"
