"""NumPy arrays to and from TensorFlow's TensorProto, without TensorFlow.

The functions read fields by name only, so they take this package's messages (``wire``) and
TensorFlow's own alike. Strings are arrays of dtype object that hold bytes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np


class Kind(NamedTuple):
    """How one TensorFlow dtype travels: NumPy dtype, typed field and display name."""

    numpy: np.dtype[Any]
    field: str
    name: str


STRING = 7
HALF = 19
MAX_RANK = 254  # TensorFlow's own limit of a shape.

KINDS: dict[int, Kind] = {
    1: Kind(np.dtype(np.float32), "float_val", "float"),
    2: Kind(np.dtype(np.float64), "double_val", "double"),
    3: Kind(np.dtype(np.int32), "int_val", "int32"),
    4: Kind(np.dtype(np.uint8), "int_val", "uint8"),
    5: Kind(np.dtype(np.int16), "int_val", "int16"),
    6: Kind(np.dtype(np.int8), "int_val", "int8"),
    STRING: Kind(np.dtype(object), "string_val", "string"),
    9: Kind(np.dtype(np.int64), "int64_val", "int64"),
    10: Kind(np.dtype(np.bool_), "bool_val", "bool"),
    17: Kind(np.dtype(np.uint16), "int_val", "uint16"),
    HALF: Kind(np.dtype(np.float16), "half_val", "half"),
    22: Kind(np.dtype(np.uint32), "uint32_val", "uint32"),
    23: Kind(np.dtype(np.uint64), "uint64_val", "uint64"),
}
_ENUM_OF: dict[np.dtype[Any], int] = {kind.numpy: enum for enum, kind in KINDS.items()}


class TensorLimitError(ValueError):
    """A tensor that asks for more memory than its message pays for."""


def enum_of(array: np.ndarray) -> int:
    """Gives the TensorFlow dtype number of an array; text and bytes count as string.

    Raises:
        TypeError: where TensorFlow Serving has no typed field for the dtype.
    """
    if array.dtype.kind in "OSU":
        return STRING
    enum = _ENUM_OF.get(array.dtype.newbyteorder("="))
    if enum is None:
        known = ", ".join(kind.name for kind in KINDS.values())
        raise TypeError(
            f"`array` has dtype {array.dtype}, which cannot be sent; use one of {known}"
        )
    return enum


def fill_proto(proto: Any, array: np.ndarray, *, as_content: bool = False) -> None:
    """Writes an array into an empty TensorProto.

    Args:
        proto: the message to fill.
        array: numbers, or strings as dtype object, ``S`` or ``U`` (sent as UTF-8).
        as_content: raw bytes in place of typed fields. Typed fields are TensorFlow Serving's
            own default answer; raw bytes are faster to make for large numeric arrays.
            Strings always travel in their typed field.
    """
    enum = enum_of(array)
    proto.dtype = enum
    dims = proto.tensor_shape.dim
    for size in array.shape:
        dims.add(size=size)
    if enum == STRING:
        proto.string_val.extend([_to_bytes(value) for value in array.ravel().tolist()])
    elif as_content:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    elif enum == HALF:
        proto.half_val.extend(array.ravel().view(np.uint16).tolist())
    else:
        getattr(proto, KINDS[enum].field).extend(array.ravel().tolist())


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8")
    raise TypeError(f"`array` holds {value!r} among strings; every value must be str or bytes")


def to_array(proto: Any, *, max_fill: int = 1 << 20) -> np.ndarray:
    """Reads a TensorProto as TensorFlow's C++ ``Tensor::FromProto`` does.

    Fewer values than the shape asks for are legal: the last one is repeated. Forty bytes can so
    ask for gigabytes, hence the limit.

    Args:
        proto: a TensorProto.
        max_fill: elements that a message may ask for without sending each of them.

    Returns:
        An array of the stated shape; strings as dtype object holding bytes.

    Raises:
        ValueError: a shape, dtype or content that does not parse.
        TensorLimitError: more repeated elements than ``max_fill``.
    """
    kind = KINDS.get(proto.dtype)
    if kind is None:
        raise ValueError(f"dtype {proto.dtype} is not supported")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or len(shape) > MAX_RANK or min(shape, default=0) < 0:
        raise ValueError("the shape is not fully defined")
    size = math.prod(shape)
    if proto.tensor_content:
        return _from_content(proto, kind, shape, size)
    values = getattr(proto, kind.field)
    if size > len(values) and size > max_fill:
        raise TensorLimitError(
            f"the shape asks for {size} elements, {len(values)} values were sent and at most "
            f"{max_fill} elements may be filled in"
        )
    return _from_values(values, proto.dtype, kind, size).reshape(shape)


def _from_content(proto: Any, kind: Kind, shape: tuple[int, ...], size: int) -> np.ndarray:
    if proto.dtype == STRING:
        raise ValueError("strings must be sent in string_val")
    if len(proto.tensor_content) != size * kind.numpy.itemsize:
        raise ValueError("tensor_content does not have the size of the shape")
    return np.frombuffer(proto.tensor_content, dtype=kind.numpy).reshape(shape)


def _from_values(values: Any, enum: int, kind: Kind, size: int) -> np.ndarray:
    if enum == HALF:
        array = np.array(values, dtype=np.uint16).view(np.float16)
    elif enum == STRING:
        array = np.empty(len(values), dtype=object)
        array[:] = list(values)
    elif kind.field == "int_val":
        # C++ narrows silently (300 as uint8 is 44); NumPy 2 would raise.
        array = np.array(values, dtype=np.int32).astype(kind.numpy)
    else:
        array = np.array(values, dtype=kind.numpy)
    if len(array) >= size:
        return array[:size]
    filler = (b"" if enum == STRING else 0) if not len(array) else array[-1]
    full = np.full(size, filler, dtype=kind.numpy)
    full[: len(array)] = array
    return full
