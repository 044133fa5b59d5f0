"""JSON objects to tensors, by the rules and texts of TensorFlow Serving's json_tensor.cc."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from serving import tensors
from serving.server.errors import RequestError
from serving.server.json_body import invalid, show, type_name, utf8

_INT_RANGE = {3: (-(1 << 31), (1 << 31) - 1), 9: (-(1 << 63), (1 << 63) - 1)}
_INT_RANGE |= {4: _INT_RANGE[3], 5: _INT_RANGE[3], 6: _INT_RANGE[3]}
_INT_RANGE |= {22: (0, (1 << 32) - 1), 23: (0, (1 << 64) - 1)}
_FLOAT, _DOUBLE, _BOOL = 1, 2, 10
_LARGEST_INT = {_FLOAT: (1 << 24) - 1, _DOUBLE: (1 << 53) - 1}


def read_tensors(body: dict[str, Any], dtypes: dict[str, int]) -> tuple[dict[str, Any], bool]:
    """Reads ``instances`` (by row) or ``inputs`` (by column).

    Args:
        body: a parsed body.
        dtypes: the signature's inputs and their TensorFlow dtypes.

    Returns:
        The arrays by input, and whether the body (hence the answer) goes by row.
    """
    if "instances" not in body and "inputs" not in body:
        raise invalid("Missing 'inputs' or 'instances' key")
    if "instances" not in body:
        return _read_columns(body["inputs"], dtypes), False
    reason = None
    if "inputs" in body:
        reason = (
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    elif not isinstance(body["instances"], list):
        reason = "Excepting 'instances' to be an list/array"
    elif not body["instances"]:
        reason = "No values in 'instances' array"
    if reason is not None:
        raise invalid("JSON Value: ", show(body), " ", reason)
    return _read_rows(body["instances"], dtypes), True


def _read_columns(value: Any, dtypes: dict[str, int]) -> dict[str, np.ndarray]:
    if is_named(value):
        for name in dtypes:
            if name not in value:
                raise invalid("Missing named input: ", name, " in 'inputs' object.")
        return {name: to_array(value[name], dtype) for name, dtype in dtypes.items()}
    if len(dtypes) > 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        )
    return {name: to_array(value, dtype) for name, dtype in dtypes.items()}


def _read_rows(rows: list[Any], dtypes: dict[str, int]) -> dict[str, np.ndarray]:
    if not isinstance(rows[0], dict) and len(dtypes) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    are_named = is_named(rows[0])
    parts: dict[str, list[np.ndarray]] = {name: [] for name in dtypes}
    for index, row in enumerate(rows):
        if is_named(row) != are_named:
            kinds = ("object but got list", "value/list but got object")[not are_named]
            raise invalid("Expecting ", kinds, " at item ", index, " of input list")
        place = f"Failed to process element: {index}"
        for name, value in (row if are_named else {next(iter(dtypes)): row}).items():
            key = f" key: {name}" if are_named else ""
            try:
                _add_row(parts, dtypes, name, value)
            except RequestError as error:
                inner = f"INVALID_ARGUMENT: {error.message}"
                raise invalid(place, key, " of 'instances' list. Error: ", inner) from None
        if are_named and set(row) != set(dtypes):
            names = ",".join(sorted(dtypes))
            what = f" of 'instances' list. JSON object: {show(row)} keys must be equal to: {names}"
            raise invalid(place, what)
    return {name: np.stack(arrays) for name, arrays in parts.items()}


def _add_row(
    parts: dict[str, list[np.ndarray]], dtypes: dict[str, int], name: str, value: Any
) -> None:
    if name not in dtypes:
        raise invalid("JSON object: does not have named input: ", name)
    array = to_array(value, dtypes[name])
    if parts[name]:
        first = parts[name][0]
        if first.size != array.size:
            raise invalid("Expecting tensor size: ", first.size, " but got: ", array.size)
        if first.shape != array.shape:
            raise invalid("Expecting shape ", _shape(first), " but got: ", _shape(array))
    parts[name].append(array)


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(str(size) for size in array.shape) + "]"


def to_array(value: Any, dtype: int) -> np.ndarray:
    """Turns a JSON value into an array of a TensorFlow dtype; every list must be regular."""
    shape = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    flat: list[Any] = []
    _fill(value, 0, tuple(shape), dtype, flat)
    array = np.empty(len(flat), dtype=tensors.KINDS[dtype].numpy)
    array[:] = flat
    return array.reshape(shape)


def _fill(value: Any, level: int, shape: tuple[int, ...], dtype: int, flat: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {show(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {len(shape)}"
            )
        flat.append(_scalar(value, dtype))
        return
    if level >= len(shape):
        text = f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        raise invalid(text)
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _fill(item, level + 1, shape, dtype, flat)


def _scalar(value: Any, dtype: int) -> Any:
    kind = tensors.KINDS.get(dtype)
    if kind is None or dtype in (tensors.HALF, 17):
        name = "unknown" if kind is None else kind.name
        text = f"Conversion of JSON Value: {show(value)} to type: {name}"
        raise RequestError("UNIMPLEMENTED", text)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if dtype == tensors.STRING and isinstance(value, dict):
        return decode_b64(value)
    if dtype == tensors.STRING and isinstance(value, str):
        return utf8(value)
    if dtype == _BOOL and isinstance(value, bool):
        return value
    if dtype in (_FLOAT, _DOUBLE) and is_number:
        return _decimal(value, dtype)
    if dtype in _INT_RANGE and is_number and isinstance(value, int):
        low, high = _INT_RANGE[dtype]
        if low <= value <= high:
            return np.int64(value).astype(kind.numpy) if dtype in (4, 5, 6) else value
    raise invalid(
        f"JSON Value: {show(value)} Type: {type_name(value)} is not of expected type: {kind.name}"
    )


def _decimal(value: float, dtype: int) -> float:
    largest = _LARGEST_INT[dtype]
    too_large = isinstance(value, int) and abs(value) > largest
    if dtype == _FLOAT and isinstance(value, float) and np.isfinite(value):
        too_large = abs(value) > float(np.finfo(np.float32).max)
    if too_large:
        name = tensors.KINDS[dtype].name
        text = f"Cannot convert JSON value: {show(value)} to {name} without loss of precision."
        raise invalid(text)
    return float(value)


def _is_b64(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def is_named(value: Any) -> bool:
    """Tells an object of named values from bytes, ``{"b64": "..."}``."""
    return isinstance(value, dict) and not _is_b64(value)


def decode_b64(value: dict[str, Any]) -> bytes:
    """Decodes ``{"b64": "..."}``, JSON's way to carry bytes."""
    if not _is_b64(value):
        raise invalid("JSON Value: ", show(value), " not formatted correctly for base64 data")
    try:
        padded = value["b64"] + "=" * (-len(value["b64"]) % 4)
        return base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None
