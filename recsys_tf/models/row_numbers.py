"""Which old row each row of a model's variables had, where ids are numbered anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from recsys_tf.encoders import BagHistoryEncoder
from recsys_tf.schema import FeaturesAndTasks
from recsys_tf.types import IntArray


def encoder_rows(core: keras.Model, schema: FeaturesAndTasks) -> dict[str, list[Any]]:
    """Finds the variables of encoders that have a row for each index of an id.

    Args:
        core: The model's core, with the encoders by the names of their features.
        schema: Names the ids and the histories of them.

    Returns:
        Variables by the name of the id: its table, unless many ids share its rows, the counts of a
        gate, and the tables of a history that is read as a bag.
    """
    layers = {each.name: each for each in core._flatten_layers()}
    found: dict[str, list[Any]] = {}
    for spec in schema.features:
        # A bilinear model alone may leave an id unread.
        if spec.kind == "id" and f"{spec.name}_encoder" in layers:
            encoder = layers[f"{spec.name}_encoder"]
            found[spec.name] = [encoder.table] if encoder.has_row_an_index else []
            found[spec.name] += [] if encoder.gate is None else [encoder.gate.counts]
    for spec in schema.features:
        history = layers.get(f"{spec.name}_encoder")
        if spec.kind == "history" and isinstance(history, BagHistoryEncoder):
            own = [history.items, *([history.valued] if history.has_values else [])]
            found[spec.of] = [*found.get(spec.of, []), *own]
    return found


def row_numbers(
    source: keras.Model, target: keras.Model, old_rows: Mapping[str, IntArray]
) -> dict[int, IntArray]:
    """Tells the old number of each row, by variable and by the optimiser's slot of it.

    Args:
        source: The model of the old numbers.
        target: The model of the new ones; its `id_variables`, where it has them, are the variables
            by the name of an id.
        old_rows: int `[N']` by the name of an id, or by a part of the paths of variables.

    Returns:
        int `[N']` by the `id()` of a variable of `target` or of its optimiser.

    Raises:
        ValueError: If a name is of no variable or of none with as many rows, or variables that are
            of the same ids keep the old numbers.
    """
    of_ids: Mapping[str, list[Any]] = getattr(target, "id_variables", {})
    numbers: dict[int, IntArray] = {}
    for name, rows in old_rows.items():
        is_id = name in of_ids
        named = of_ids[name] if is_id else [v for v in target.variables if is_of(name, v)]
        if not named:
            raise ValueError(
                f"`old_rows` must be named by parts of the variables' paths or by ids, received "
                f"{name!r}, which is in none. A path is for instance {target.variables[0].path!r}."
            )
        written = [each for each in named if not getattr(each, "is_given", False)]
        fitting = [each for each in written if tuple(each.shape[:1]) == (len(rows),)]
        if not fitting or (is_id and len(fitting) < len(written)):
            sizes = ", ".join(
                f"{each.path!r} has {each.shape[0]}" for each in written if each.shape
            )
            raise ValueError(
                f"`old_rows` must tell each row of a table of `target`, received {len(rows)} rows "
                f"for {name!r}: {sizes or 'it has no table'}."
            )
        for each in fitting:
            numbers.setdefault(id(each), np.asarray(rows))
    if numbers and hasattr(target, "id_variables"):
        _check_whole_ids(of_ids, numbers)
    elif numbers:
        _check_alike(source, target, numbers)
    return numbers | _of_slots(target, old_rows, numbers)


def is_of(name: str, variable: Any) -> bool:
    """Returns whether a name is a part of a variable's path, or of that of a slot of it."""
    # A slot's name is its variable's path with "_" for "/".
    return name.replace("/", "_") in variable.path.replace("/", "_")


def _check_whole_ids(of_ids: Mapping[str, list[Any]], numbers: Mapping[int, IntArray]) -> None:
    for name, variables in of_ids.items():
        left = [each.path for each in variables if id(each) not in numbers]
        if left and len(left) < len(variables):
            raise ValueError(
                f"`old_rows` must number everything anew that has a row for each {name!r}; the "
                f"names leave {', '.join(map(repr, left))}. Name them by {name!r}, which means all."
            )


def _check_alike(source: keras.Model, target: keras.Model, numbers: Mapping[int, IntArray]) -> None:
    pairs = list(zip(source.variables, target.variables, strict=False))
    sizes = {tuple(mine.shape[:1]) for mine, theirs in pairs if id(theirs) in numbers}
    left = [
        theirs.path
        for mine, theirs in pairs
        if tuple(mine.shape[:1]) in sizes
        and id(theirs) not in numbers
        and not getattr(theirs, "is_given", False)
    ]
    if left:
        raise ValueError(
            f"`old_rows` must number everything anew that has a row an id; {left[0]!r} has as many "
            "rows as what is named, and keeps the old numbers. Name it too; with its own numbers "
            "where its rows are of something else."
        )


def _of_slots(
    target: keras.Model, old_rows: Mapping[str, IntArray], numbers: Mapping[int, IntArray]
) -> dict[int, IntArray]:
    optimizer = getattr(target, "optimizer", None)
    if optimizer is None or not optimizer.built:
        return {}
    found: dict[int, IntArray] = {}
    known = set()
    for variable, slot in _slots(optimizer):
        known.add(id(slot))
        rows = numbers.get(id(variable))
        if rows is not None and tuple(slot.shape[:1]) == rows.shape:
            found[id(slot)] = rows
    for slot in optimizer.variables:
        # An optimiser that keeps them otherwise than Keras's: their paths hold those of variables.
        named = [each for name, each in old_rows.items() if is_of(name, slot)]
        if id(slot) not in known and named and tuple(slot.shape[:1]) == (len(named[0]),):
            found[id(slot)] = np.asarray(named[0])
    return found


def _slots(optimizer: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the variables and their slots: both towers' tables have slots of one path."""
    for part in ("tables", "dense", "inner_optimizer"):
        if hasattr(optimizer, part):
            yield from _slots(getattr(optimizer, part))
    variables = getattr(optimizer, "_trainable_variables", ())
    for name, slots in vars(optimizer).items():
        is_list = isinstance(slots, list | tuple) and len(slots) == len(variables)
        if is_list and name != "_trainable_variables":
            pairs = zip(variables, slots, strict=True)
            yield from (pair for pair in pairs if hasattr(pair[1], "assign"))
