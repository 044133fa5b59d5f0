"""What a model takes and gives, as its server describes it, and values that fit it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from serving import tensors
from serving.errors import ServingError


class TensorSpec(NamedTuple):
    """An input or output of a signature; an unknown dimension is -1, an unknown rank None."""

    dtype: str
    shape: tuple[int, ...] | None


class Signature(NamedTuple):
    """The inputs and outputs of a signature, by name."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    optional: frozenset[str]


def read_signature(proto: Any) -> Signature:
    """Reads a SignatureDef."""

    def specs(infos: Any) -> dict[str, TensorSpec]:
        return {name: _tensor_spec(infos[name]) for name in sorted(infos)}

    return Signature(specs(proto.inputs), specs(proto.outputs), frozenset(proto.defaults))


def _tensor_spec(info: Any) -> TensorSpec:
    kind = tensors.KINDS.get(info.dtype)
    shape = None
    if not info.tensor_shape.unknown_rank:
        shape = tuple(dim.size for dim in info.tensor_shape.dim)
    return TensorSpec(kind.name if kind else f"dtype {info.dtype}", shape)


def _rank(spec: TensorSpec) -> int:
    """Gives the number of dimensions, -1 where it is unknown."""
    return -1 if spec.shape is None else len(spec.shape)


def unknown_name(what: str, name: str, known: Mapping[str, Any]) -> ServingError:
    """Makes the error for a name the model does not have, with the nearest it has."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or sorted(known)
    text = f"the model has no {what} `{name}`; the nearest it has: {', '.join(near)}"
    return ServingError("INVALID_ARGUMENT", text)


def _numpy_dtype(spec: TensorSpec) -> np.dtype[Any]:
    kinds = (kind.numpy for kind in tensors.KINDS.values() if kind.name == spec.dtype)
    return next(kinds, np.dtype(object))


def as_array(name: str, value: Any, spec: TensorSpec) -> np.ndarray:
    """Turns lists and numbers into an array of the input's dtype."""
    try:
        return np.asarray(value, dtype=_numpy_dtype(spec))
    except (TypeError, ValueError, OverflowError):
        text = f"input `{name}` wants {spec.dtype}, got {value!r}"
        raise ServingError("INVALID_ARGUMENT", text[:300]) from None


def column(name: str, value: Any, spec: TensorSpec, size: int) -> np.ndarray:
    """Turns one value, or one a user, into an array of the input's dtype with ``size`` rows.

    Lists of mixed lengths, where the input takes lists of any, are filled up with missing values.
    """
    if _rank(spec) == 2 and spec.shape is not None and spec.shape[1] < 0 and _holds_lists(value):
        array = _table(name, value, spec)
    else:
        array = as_array(name, value, spec)
    if array.ndim == 0:
        array = np.full(size, array[()], dtype=array.dtype)
    if len(array) != size:
        text = f"input `{name}` has {len(array)} values for {size} users; give one a user"
        raise ServingError("INVALID_ARGUMENT", text)
    return array


def _holds_lists(value: Any) -> bool:
    # Of an array of objects too, such as a column of a data frame.
    is_list = isinstance(value, (list, tuple)) or str(getattr(value, "dtype", "")) == "object"
    return is_list and any(isinstance(row, (list, tuple, np.ndarray)) for row in value)


def _table(name: str, rows: Sequence[Any], spec: TensorSpec) -> np.ndarray:
    try:
        # At least one column: a model may not take lists of length nought.
        width = max(1, *map(len, rows), 1)
        table = np.full((len(rows), width), _missing(spec), _numpy_dtype(spec))
        for row, values in enumerate(rows):
            check_ids(f"{name}[{row}]", values, "a list of values")
            table[row, : len(values)] = list(values)
    except (TypeError, ValueError, OverflowError):
        text = f"input `{name}` wants a list of {spec.dtype} a user, got {rows!r}"
        raise ServingError("INVALID_ARGUMENT", text[:300]) from None
    return table


def _missing(spec: TensorSpec) -> Any:
    """Gives the value that says "missing": "", NaN, -1 or False."""
    return {"O": "", "f": np.nan, "i": -1, "u": 0, "b": False}[_numpy_dtype(spec).kind]


def neutral_column(spec: TensorSpec, size: int) -> np.ndarray:
    """Makes ``size`` rows that say "missing"."""
    rest = tuple(max(1, dim) for dim in (spec.shape or ())[1:])
    return np.full((size, *rest), _missing(spec), dtype=_numpy_dtype(spec))


def check_ids(name: str, ids: Any, meant: str = "a list of ids") -> None:
    """Refuses a text where a list of ids is meant; it would be read letter by letter.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if isinstance(ids, (str, bytes)):
        text = f"`{name}` must be {meant}, received {ids!r}"
        raise ServingError("INVALID_ARGUMENT", text[:300])


def history_table(histories: Sequence[Sequence[str]], size: int) -> np.ndarray:
    """Turns a list of items for each of ``size`` users into a table, filled up with "".

    Raises:
        ServingError: INVALID_ARGUMENT where there is not one list a user.
    """
    check_ids("histories", histories, "a list of ids for each user")
    if len(histories) != size:
        text = f"`histories` has {len(histories)} entries for {size} users; give one a user"
        raise ServingError("INVALID_ARGUMENT", text)
    for row, history in enumerate(histories):
        check_ids(f"histories[{row}]", history)
    return _table("histories", histories, TensorSpec("string", None))


def find_user_id_input(inputs: Mapping[str, TensorSpec], told: str | None) -> str | None:
    """Names the input that takes the user id; None where users are known by histories alone.

    Raises:
        ServingError: INVALID_ARGUMENT where several might and ``told`` is None.
    """
    names = [name for name, spec in inputs.items() if spec.dtype == "string" and _rank(spec) < 2]
    if told is None and not names:
        return None
    named = [name for name in names if name.lower() in {"user_id", "userid", "user", "uid"}]
    named = named or [name for name in names if "user" in name.lower()] or names
    return _the_one(told, named, "user_id_input", "the user id")


def find_history_input(inputs: Mapping[str, TensorSpec], told: str | None) -> str:
    """Names the input that takes the history.

    Raises:
        ServingError: INVALID_ARGUMENT where none or several might and ``told`` is None.
    """
    lists = [name for name, spec in inputs.items() if spec.dtype == "string" and _rank(spec) == 2]
    named = [name for name in lists if "history" in name.lower()] or lists
    # What is told of a history's events bears its name: `history` beside `history_actions`.
    named = [name for name in named if all(each.startswith(name) for each in named)] or named
    return _the_one(told, named, "history_input", "the history")


def _the_one(told: str | None, found: list[str], argument: str, what: str) -> str:
    if told is not None:
        return told
    if len(found) == 1:
        return found[0]
    candidates = ", ".join(sorted(found)) or "none"
    raise ServingError(
        "INVALID_ARGUMENT",
        f"cannot tell which input takes {what} (candidates: {candidates}); name it by "
        f"`{argument}` when making the client",
    )
