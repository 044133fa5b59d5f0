"""A trained model in one of larger tables: new ids without training from the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np

from recsys_tf.types import UNKNOWN_INDEX, Array, IntArray


def grow_tables(
    source: keras.Model,
    target: keras.Model,
    old_rows: Mapping[str, IntArray] | None = None,
    new_rows: Literal["unknown", "initial"] = "unknown",
) -> None:
    """Copies a model's weights, and its optimiser's state, into one with more rows in its tables.

    Make `target` of the same configuration and more indices, compile it alike and build its
    optimiser, and call this; training then goes on. A table is any variable that differs in the
    number of its rows alone. The slots of new rows stay as the optimiser starts them.

    Args:
        source: The trained model.
        target: A model of the same layers; its variables are written.
        old_rows: Where the preprocessing has numbered the ids anew, int `[N']` for a table: the
            old number of each new row, -1 where it has none. By a part of the paths of the
            variables, for instance `item_id_encoder`. Other tables keep their numbers, and new
            rows come after them.
        new_rows: `unknown` starts them at the old row of the unknown id, which training has taught
            what can be said without knowing the id; `initial` leaves what the initialiser drew.

    Raises:
        ValueError: If the models differ in more than the rows, a table would shrink without being
            in `old_rows`, or a name of `old_rows` is of no variable.

    Example:
        >>> from recsys_tf.layers import EmbeddingTable
        >>> ids = keras.Input([], dtype="int64")
        >>> small, large = (keras.Sequential([ids, EmbeddingTable(n, 2)]) for n in (4, 6))
        >>> grow_tables(small, large)
        >>> rows, old = np.array(large.weights[0]), np.array(small.weights[0])
        >>> bool((rows[:4] == old).all()), bool((rows[4:] == old[1]).all())
        (True, True)
    """
    old_rows = old_rows or {}
    _check_names(old_rows, target)
    first = UNKNOWN_INDEX if new_rows == "unknown" else None
    written = _grown(source.variables, target.variables, old_rows, first)
    mine, theirs = (getattr(each, "optimizer", None) for each in (source, target))
    if mine is not None and theirs is not None and mine.built and theirs.built:
        written += _grown(mine.variables, theirs.variables, old_rows, None)
    # All fits: only now is the first written.
    for variable, values in written:
        variable.assign(values)


def _grown(
    source: Sequence[Any],
    target: Sequence[Any],
    old_rows: Mapping[str, IntArray],
    first: int | None,
) -> list[tuple[Any, Array]]:
    if len(source) != len(target):
        raise ValueError(
            f"`target` must have the variables of `source`, received {len(target)} and "
            f"{len(source)}. Build it from the same configuration, and its optimiser alike."
        )
    return [
        (theirs, _rows(np.array(mine), theirs, old_rows, first))
        for mine, theirs in zip(source, target, strict=True)
    ]


def _rows(old: Array, variable: Any, old_rows: Mapping[str, IntArray], first: int | None) -> Array:
    shape = tuple(variable.shape)
    named = [rows for name, rows in old_rows.items() if _is_of(name, variable)]
    is_table = len(shape) > 0 and old.shape[1:] == shape[1:]
    if is_table and named and len(named[0]) == shape[0]:
        numbers = np.asarray(named[0])
    elif old.shape == shape:
        return old
    elif is_table and old.shape[0] < shape[0]:
        numbers = np.arange(shape[0])
        numbers[old.shape[0] :] = -1
    else:
        raise ValueError(
            f"`target` must have at least the rows of `source` and equal widths: {variable.path!r} "
            f"has the shape {shape}, and that of `source` is {old.shape}."
        )
    if numbers.max(initial=-1) >= old.shape[0]:
        raise ValueError(
            f"`old_rows` must be below the {old.shape[0]} rows of the old table {variable.path!r}, "
            f"received {numbers.max()}."
        )
    values = np.array(variable) if first is None else np.repeat(old[first : first + 1], shape[0], 0)
    values[numbers >= 0] = old[numbers[numbers >= 0]]
    return values


def _is_of(name: str, variable: Any) -> bool:
    # A slot's name is its variable's path with "_" for "/".
    return name.replace("/", "_") in variable.path.replace("/", "_")


def _check_names(names: Mapping[str, IntArray], model: keras.Model) -> None:
    for name in names:
        if not any(_is_of(name, each) for each in model.variables):
            raise ValueError(
                f"`old_rows` must be named by parts of the variables' paths, received {name!r}, "
                f"which is in none. A path is for instance {model.variables[0].path!r}."
            )
