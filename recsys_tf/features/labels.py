"""Labels and sample weights of every task, from the raw columns and the transformed features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from recsys_tf.features.examples import Examples
from recsys_tf.schema import FeaturesAndTasks, TaskSpec
from recsys_tf.types import NUM_RESERVED_INDICES, Array, FloatArray, Tensor


def label_columns(schema: FeaturesAndTasks) -> tuple[str, ...]:
    """Returns the raw columns of numbers that the tasks' labels and weights are read from."""
    kinds = {each.name: each.kind for each in schema.features}
    names = [
        name
        for task in schema.tasks
        for name in (task.label, task.sample_weight)
        if name is not None and kinds.get(name, "numeric") == "numeric"
    ]
    return tuple(dict.fromkeys(names))


def missing_labels_message(absent: Sequence[str], examples: Examples) -> str:
    """Says which columns of labels or weights the examples lack, and what to do.

    Example:
        >>> missing_labels_message(["buy"], Examples({"age": np.zeros(2)})).partition(". ")[0]
        "`examples` lacks the label or weight 'buy' of the schema's tasks; it has 'age'"
    """
    return (
        f"`examples` lacks the label or weight {', '.join(map(repr, absent))} of the schema's "
        f"tasks; it has {', '.join(map(repr, examples.columns)) or 'no columns'}. Give the rows "
        "that column (NaN where a label is not known) and make the examples with this schema, or "
        "take the task out of it."
    )


def make_labels(
    columns: Mapping[str, Tensor],
    features: Mapping[str, Tensor],
    schema: FeaturesAndTasks,
    num_indices: Mapping[str, int],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Makes what a model is compared with, row by row, in the graph.

    | kind | label |
    | --- | --- |
    | regression | float32 `[B]`, NaN where missing |
    | binary | float32 `[B]`, 0 or 1, NaN where missing |
    | retrieval | float32 `[B]`, 1 for a positive; the weight of any other row is 0 |
    | multiclass | int64 `[B]`, the index of the class, -1 where it is missing or unknown |
    | multilabel | float32 `[B, num_indices]`, 1 at each present value; NaN in a row without any |

    A weight is 1 where the task names no `sample_weight`. An unknown value of a multi-label row
    leaves no mark: its columns 0 and 1, of padding and of unknown values, are never 1. The loss
    reads them, as two labels that are soon learned; metrics leave them out.

    Args:
        columns: The raw columns that `label_columns` names, float32 `[B]`.
        features: Transformed features; the labels that are features are read from them.
        schema: Tasks.
        num_indices: Rows of each feature's table, by name.

    Returns:
        Labels and weights by task; weights are float32 `[B]`.
    """
    labels, weights = {}, {}
    for task in schema.tasks:
        label = _label(task, columns, features, schema, num_indices)
        if task.sample_weight is None:
            weight = tf.ones(tf.shape(label)[:1], tf.float32)
        else:
            weight = tf.cast(columns[task.sample_weight], tf.float32)
        if task.kind == "retrieval":
            # A comparison with NaN is false: a row without a label is no positive.
            weight = tf.where(label > 0.5, weight, tf.zeros_like(weight))
        labels[task.name], weights[task.name] = label, weight
    return labels, weights


def check_labels(columns: Mapping[str, Array], schema: FeaturesAndTasks) -> None:
    """Checks the labels and weights of all rows before any is used.

    Args:
        columns: The raw columns that `label_columns` names, `[n]`.
        schema: Tasks.

    Raises:
        ValueError: If a label is infinite, outside its task's range, or neither 0 nor 1 for a
            binary task; a task succeeds where the one it comes `after` does not, or is known only
            where that one succeeds; or a weight is missing, infinite or below 0. The text counts
            the rows.
    """
    faults = [fault for task in schema.tasks for fault in _faults(task, columns)]
    for child, parent in schema.parents.items():
        faults += _chain_faults(schema.task(child), schema.task(parent), columns)
    if faults:
        raise ValueError(
            "The labels cannot be trained on; NaN is the way to leave a row out of a task:\n  "
            + "\n  ".join(faults)
        )


def _label(
    task: TaskSpec,
    columns: Mapping[str, Tensor],
    features: Mapping[str, Tensor],
    schema: FeaturesAndTasks,
    num_indices: Mapping[str, int],
) -> Tensor:
    if task.label is None:
        return tf.ones(tf.shape(next(iter(features.values())))[:1], tf.float32)
    if task.kind == "multiclass":
        index = features[task.label]
        return tf.where(index >= NUM_RESERVED_INDICES, index, -tf.ones_like(index))
    if task.kind == "multilabel":
        return _multi_hot(features[task.label], num_indices[task.label])
    label = tf.cast(columns[task.label], tf.float32)
    if task.positive_at_least is not None:
        is_positive = tf.cast(label >= task.positive_at_least, tf.float32)
        return tf.where(tf.math.is_nan(label), label, is_positive)
    return label


def _multi_hot(indices: Tensor, depth: int) -> Tensor:
    hot = tf.reduce_max(tf.one_hot(indices, depth), axis=1)
    # Neither padding nor "unknown" is a value to be predicted.
    is_value = tf.cast(tf.range(depth) >= NUM_RESERVED_INDICES, tf.float32)
    is_empty = tf.reduce_all(indices == 0, axis=1, keepdims=True)
    return tf.where(is_empty, tf.fill(tf.shape(hot), float("nan")), hot * is_value)


def _faults(task: TaskSpec, columns: Mapping[str, Array]) -> list[str]:
    faults = []
    if (
        task.label is not None
        and task.label in columns
        and task.kind not in ("multiclass", "multilabel")
    ):
        label = columns[task.label]
        present = label[~np.isnan(label)]
        faults += _count(task.label, np.isinf(present), present, "must be finite")
        present = present[np.isfinite(present)]
        if task.kind == "binary" and task.positive_at_least is None:
            rule = f"must be 0 or 1 for the task {task.name!r}"
            faults += _count(task.label, ~np.isin(present, (0, 1)), present, rule)
        if task.value_range is not None:
            low, high = task.value_range
            rule = f"must be from {low} to {high} for the task {task.name!r}"
            faults += _count(task.label, (present < low) | (present > high), present, rule)
    if task.sample_weight is not None:
        weight = columns[task.sample_weight]
        is_wrong = ~(np.isfinite(weight) & (weight >= 0))
        faults += _count(task.sample_weight, is_wrong, weight, "must be a finite weight >= 0")
    return faults


def _chain_faults(child: TaskSpec, parent: TaskSpec, columns: Mapping[str, Array]) -> list[str]:
    success, success_before = _successes(child, columns), _successes(parent, columns)
    is_ruled_out = success_before == 0
    rule = f"must be no success of {child.name!r} in a row without {parent.name!r}"
    label = columns[str(child.label)]
    faults = _count(child.label, is_ruled_out & (success == 1), label, rule)
    is_known = ~np.isnan(success)
    if is_known.any() and is_ruled_out.any() and not is_known[is_ruled_out].any():
        rule = f"must be known, as 0, in the rows without {parent.name!r} as well"
        faults += _count(child.label, is_ruled_out, label, rule)
    return faults


def _successes(task: TaskSpec, columns: Mapping[str, Array]) -> FloatArray:
    label = columns[str(task.label)]
    if task.positive_at_least is None:
        return label
    return np.where(np.isnan(label), label, label >= task.positive_at_least)


def _count(name: str | None, is_wrong: Array, values: FloatArray, rule: str) -> list[str]:
    if not is_wrong.any():
        return []
    return [f"`{name}` {rule}: {is_wrong.sum():,} rows are not, the first {values[is_wrong][0]}"]
