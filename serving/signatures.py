"""What a model takes and gives, as its server describes it, and columns that fit it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
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


def rank(spec: TensorSpec) -> int:
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
    """Turns one value, or one a user, into an array of the input's dtype with ``size`` rows."""
    array = as_array(name, value, spec)
    if array.ndim == 0:
        array = np.full(size, array[()], dtype=array.dtype)
    if len(array) != size:
        text = f"input `{name}` has {len(array)} values for {size} users; give one a user"
        raise ServingError("INVALID_ARGUMENT", text)
    return array


def neutral_column(spec: TensorSpec, size: int) -> np.ndarray:
    """Makes ``size`` rows that say "missing": "", NaN, -1 or False."""
    dtype = _numpy_dtype(spec)
    value: Any = {"O": "", "f": np.nan, "i": -1, "u": 0, "b": False}[dtype.kind]
    rest = tuple(max(1, dim) for dim in (spec.shape or ())[1:])
    return np.full((size, *rest), value, dtype=dtype)
