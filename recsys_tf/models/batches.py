"""What a model that makes its own losses takes: of `compile`'s arguments, and of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
from keras import ops

from recsys_tf.schema import TaskSpec
from recsys_tf.types import Tensor, TensorDict

OF_LOSSES = ("loss", "metrics", "weighted_metrics", "loss_weights")
"""Arguments of `keras.Model.compile` that such a model has no use for."""


def check_compiled(arguments: Mapping[str, Any], way_out: str) -> None:
    """Checks that nobody gives `compile` what the model has itself.

    Args:
        arguments: Those of `compile` by name.
        way_out: What gives losses and metrics, and how to change them.

    Raises:
        ValueError: If one of `OF_LOSSES` is given.
    """
    given = [name for name in OF_LOSSES if arguments.get(name)]
    if given:
        raise ValueError(f"`{given[0]}` must be left out: {way_out}")


def checked_features(features: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """Returns the features that a model was built on: a dataset may hold more.

    Args:
        features: By name.
        names: The wanted names; where they are the model's inputs by name, types are checked.

    Returns:
        Those of `names`.

    Raises:
        ValueError: If one is not there.
        TypeError: If one holds floats where the model takes row numbers.
    """
    absent = [name for name in names if name not in features]
    if absent:
        raise ValueError(
            f"`inputs` must hold every feature of the model; it lacks {_listed(absent)} and has "
            f"{_listed(features)}."
        )
    for name, wanted in names.items() if isinstance(names, Mapping) else ():
        dtype = keras.backend.standardize_dtype(getattr(features[name], "dtype", wanted.dtype))
        # Keras would cut 12.7 to 12.
        if "int" in wanted.dtype and "float" in dtype:
            raise TypeError(
                f"`{name}` must hold integers, the row numbers that the preprocessing gives ids "
                f"and categories, received {dtype}."
            )
    return {name: features[name] for name in names}


def checked_labels(labels: Any, tasks: Iterable[TaskSpec]) -> TensorDict:
    """Returns the labels as they are, where every task has its own.

    Raises:
        ValueError: If they are no mapping, or a task's are not there.
    """
    found = labels if isinstance(labels, Mapping) else {}
    absent = [task.name for task in tasks if task.name not in found]
    if absent:
        raise ValueError(
            "`y` must hold labels for every task of the schema, NaN (or a class below 0) where a "
            f"row has none; it lacks {_listed(absent)}."
        )
    return labels


def complete_weights(labels: TensorDict, weights: Any) -> TensorDict:
    """Returns a weight of each row for each task: 1 where none is given.

    Args:
        labels: By task, `[B]` or `[B, C]`.
        weights: By task, float `[B]`, for some or all of them; or one float `[B]` for all.

    Returns:
        By task, float `[B]`.
    """
    given = {} if weights is None else weights
    if not isinstance(given, Mapping):
        return dict.fromkeys(labels, ops.convert_to_tensor(given, "float32"))
    return {
        name: given[name] if name in given else ops.ones(ops.shape(label)[:1], "float32")
        for name, label in labels.items()
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
