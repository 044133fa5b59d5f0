"""Parts of a model that no gradient reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys_tf.self_checks.finding import Finding
from recsys_tf.self_checks.signal import dead_parts


def unreached_parts(
    model: Any, batches: Sequence[Any], loss_of: Callable[..., Any]
) -> Iterator[Finding]:
    """Finds the parts of a model that the gradient of its loss reaches in none of the batches.

    Args:
        model: A Keras model.
        batches: What `loss_of` takes, as arrays.
        loss_of: The parts of a batch, as tensors -> a scalar.

    Yields:
        A finding for each part; see `dead_parts`.
    """
    named = [each for each in _named_variables(model) if not getattr(each[1], "is_idle", False)]
    variables = [each.value for _, each in named]
    is_reached = np.zeros(len(variables), bool)
    for batch in batches:
        # Not as a graph: to trace it costs more than to run it once.
        with tf.GradientTape() as tape:
            loss = loss_of(*keras.tree.map_structure(tf.constant, batch))
        is_reached |= np.array([_is_any_number(each) for each in tape.gradient(loss, variables)])
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
