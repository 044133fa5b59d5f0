"""What the columns of one's own files must hold, as a schema tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys_tf.datasets.values import Column
from recsys_tf.schema import FeaturesAndTasks


def feature_columns(features: Sequence[Any]) -> tuple[dict[str, Column], dict[str, int]]:
    """Returns the columns of features, and the sizes of those that are ready-made vectors.

    Args:
        features: Features of a schema; histories have no column.

    Returns:
        Columns by name, and sizes by name.
    """
    columns: dict[str, Column] = {}
    vectors: dict[str, int] = {}
    for feature in features:
        if feature.kind == "history":
            continue  # It is made of the events.
        if feature.kind == "embedding":
            vectors[feature.name] = feature.size
        elif feature.kind == "numeric":
            columns[feature.name] = Column(feature.name, feature.name, "number")
        else:
            is_list = getattr(feature, "is_multivalent", False)
            columns[feature.name] = Column(
                feature.name, feature.name, "list" if is_list else "text"
            )
    return columns, vectors


def label_columns(schema: FeaturesAndTasks) -> dict[str, Column]:
    """Returns the columns of labels and sample weights that are no features, by name.

    Args:
        schema: Features and tasks; a label keeps to the `value_range` of its task, and to all of
            them where several tasks read it.
    """
    columns: dict[str, Column] = {}
    features = {each.name for each in schema.features}
    for task in schema.tasks:
        if task.label is not None and task.label not in features:
            low, high = task.value_range or (-np.inf, np.inf)
            before = columns.get(task.label, Column(task.label, task.label, "number"))
            columns[task.label] = Column(
                task.label, task.label, "number", max(low, before.low), min(high, before.high)
            )
    for task in schema.tasks:
        name = task.sample_weight
        if name is not None and name not in features:
            columns[name] = Column(name, name, "number", low=0, is_required=True)
    return columns
