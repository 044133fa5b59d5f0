"""Whether the labels reach the losses, and the losses every part of the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from recsys_tf.self_checks.labels import is_labelled, one_class
from recsys_tf.types import Array


def blind_tasks(
    losses_of: Callable[[dict[str, Array]], Mapping[str, float]],
    labels: Mapping[str, Array],
    weights: Mapping[str, Array | None],
) -> list[str]:
    """Finds the tasks whose loss stays the same when its labels change places.

    Args:
        losses_of: Labels by task -> each task's loss, all else unchanged. The predictions behind
            it must differ from row to row, or no loss can tell.
        labels: By task, `[B]` or `[B, C]`; missing as in `one_class`.
        weights: By task, float `[B]`, or None.

    Returns:
        Names of the tasks, in the order of `labels`; those of one class are passed over.

    Example:
        >>> guess = np.array([0.1, 0.7, 0.4])
        >>> losses_of = lambda labels: {"sees": float(((labels["sees"] - guess) ** 2).mean())} | {
        ...     "blind": float(guess.mean())}
        >>> rows = np.array([1.0, 0.0, 0.0])
        >>> blind_tasks(losses_of, {"sees": rows, "blind": rows}, dict.fromkeys(("sees", "blind")))
        ['blind']
    """
    before = losses_of(dict(labels))
    after = losses_of({name: _exchanged(each, weights[name]) for name, each in labels.items()})
    return [
        name
        for name, each in labels.items()
        if name in before
        and one_class(each, weights[name]) is None
        and abs(after[name] - before[name]) <= 1e-6 * abs(before[name])
    ]


def dead_parts(is_reached: Mapping[str, bool]) -> dict[str, list[str]]:
    """Finds the parts of a model that no gradient reaches.

    Args:
        is_reached: By the path of each trainable variable, `tower/layer/kernel`: whether any
            number of its gradient is not 0.

    Returns:
        By part, the paths of its variables: the longest way up from a dead variable below which
        all variables are dead.

    Example:
        >>> dead_parts({"tower/a/kernel": False, "tower/a/bias": False, "tower/b/kernel": True})
        {'tower/a': ['tower/a/kernel', 'tower/a/bias']}
    """
    alive = {part for path, reached in is_reached.items() if reached for part in _ways_up(path)}
    parts: dict[str, list[str]] = {}
    for path, reached in is_reached.items():
        if not reached:
            part = next((each for each in _ways_up(path) if each not in alive), path)
            parts.setdefault(part, []).append(path)
    return parts


def _ways_up(path: str) -> list[str]:
    """`a/b/c` -> `a`, `a/b`, `a/b/c`."""
    names = path.split("/")
    return ["/".join(names[: end + 1]) for end in range(len(names))]


def _exchanged(labels: Array, weights: Array | None) -> Array:
    """The same labels, those of the labelled rows in the opposite order of their size."""
    labels = np.array(labels)
    rows = np.flatnonzero(is_labelled(labels, weights))
    sizes = labels[rows].reshape(len(rows), math.prod(labels.shape[1:]))
    order = rows[np.lexsort(sizes.T[::-1])]
    labels[order] = labels[order[::-1]]
    return labels
