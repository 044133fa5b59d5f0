"""From Arrow's columns to typed values, with a reason for each refused row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import types

from recsys_tf.datasets.values import Column, Converted, check_numbers, convert, to_seconds
from recsys_tf.types import Array, FloatArray


def convert_arrow(values: pa.ChunkedArray, column: Column) -> Converted:
    """Converts one column, by the rules that `convert` has for text.

    Ids and texts may be strings or whole numbers, numbers of any kind, booleans among them,
    timestamps whole numbers of any unit or Arrow's own moments and days (UTC where they tell no
    zone; what is below a second is cut off). Dictionaries are read as what they stand for.

    Args:
        values: `[n]`.
        column: What they must be.

    Returns:
        Values, reasons and notes, as of `convert`. A missing string is `""`, a missing number NaN,
        a missing list empty; a missing id or timestamp is refused.

    Raises:
        TypeError: If the column is of a type that cannot be meant.
    """
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if types.is_null(values.type):
        values = pa.chunked_array([pa.nulls(len(values), _TYPE_OF_NULLS[column.kind])])
    return _BY_KIND[column.kind](values, column)


def convert_vectors(values: pa.ChunkedArray, name: str, size: int) -> Converted:
    """Converts one column of ready-made vectors.

    Args:
        values: Lists of numbers, `[n]`.
        name: Name of the column.
        size: Numbers that each vector has.

    Returns:
        Object array of float32 `[size]`, None for a missing vector; one of another length is
        refused.

    Raises:
        TypeError: If the column holds anything else than lists of numbers.
    """
    if types.is_null(values.type):
        return Converted(np.full(len(values), None, dtype=object), _no_reasons(len(values)))
    if not _is_list(values.type) or not _is_number(values.type.value_type):
        raise _type_error(name, "lists of numbers", values.type)
    vectors, reasons = np.full(len(values), None, dtype=object), _no_reasons(len(values))
    for row, vector in enumerate(values.to_pandas()):
        if vector is None:
            continue
        if len(vector) != size:
            reasons[row] = f"{name}: {len(vector)} numbers instead of {size}"
        else:
            vectors[row] = np.asarray(vector, np.float32)
    return Converted(vectors, reasons)


def common_type(kinds: Sequence[Any]) -> Any:
    """Returns the type that holds columns of several types without changing what they mean.

    Nulls give way to anything, and dictionaries to what they stand for; of strings, numbers,
    moments and lists the widest is taken. Whole numbers beside numbers with a point become float64.

    Args:
        kinds: At least one Arrow type.

    Returns:
        The type; None where there is none, as for strings beside numbers or moments beside whole
        numbers, whose unit nobody tells.

    Example:
        >>> common_type([pa.null(), pa.int32(), pa.int64()])
        DataType(int64)
        >>> common_type([pa.timestamp("us"), pa.int64()]) is None
        True
    """
    different = list(dict.fromkeys(each for each in kinds if not types.is_null(each)))
    if len(different) < 2:
        return (different or list(kinds))[0]
    if any(types.is_dictionary(each) for each in different):
        values = [each.value_type if types.is_dictionary(each) else each for each in different]
        return common_type(values)
    if all(_is_string(each) for each in different):
        return pa.large_string()
    if all(types.is_integer(each) for each in different):
        return pa.int64()
    if all(_is_number(each) for each in different):
        return pa.float64()
    if all(types.is_timestamp(each) for each in different):
        # Arrow's moments are of UTC, whatever zone they are shown in.
        zone = "UTC" if any(each.tz for each in different) else None
        return pa.timestamp(max((each.unit for each in different), key=_TIME_UNITS.index), zone)
    if all(_is_list(each) for each in different):
        inner = common_type([each.value_type for each in different])
        return None if inner is None else pa.list_(inner)
    return None


def _texts(values: pa.ChunkedArray, column: Column) -> Converted:
    if types.is_integer(values.type) or (types.is_boolean(values.type) and column.kind == "text"):
        values = values.cast(pa.string())
    if not _is_string(values.type):
        way_out = ""
        if types.is_floating(values.type):
            way_out = " Numbers with a point are no names: write them as int64, or as strings."
        raise _type_error(column.name, "strings or whole numbers", values.type, way_out)
    # Each distinct string becomes a Python object once only.
    chunks = values.dictionary_encode().unify_dictionaries().chunks
    distinct = [*chunks[0].dictionary.to_pylist(), ""]
    indices = [each.indices.fill_null(len(distinct) - 1) for each in chunks]
    codes = np.concatenate([each.to_numpy(zero_copy_only=False) for each in indices])
    converted = convert(pd.Series(distinct, dtype=object), column)
    return Converted(converted.values[codes], converted.reasons[codes])


def _lists(values: pa.ChunkedArray, column: Column) -> Converted:
    inner = values.type.value_type if _is_list(values.type) else values.type
    if types.is_dictionary(inner):
        inner = inner.value_type
    if not _is_list(values.type) or not (
        _is_string(inner) or types.is_integer(inner) or types.is_null(inner)
    ):
        raise _type_error(column.name, "lists of strings", values.type, " Split it before.")
    lists = np.empty(len(values), dtype=object)
    for row, each in enumerate(values.to_pandas()):
        texts = [] if each is None else [str(text).strip() for text in each if text is not None]
        lists[row] = [text for text in texts if text]
    return Converted(lists, _no_reasons(len(values)))


def _numbers(values: pa.ChunkedArray, column: Column) -> Converted:
    if not _is_number(values.type) and not types.is_boolean(values.type):
        raise _type_error(column.name, "numbers", values.type)
    numbers = _floats(values)
    return Converted(numbers, check_numbers(numbers, column))


def _timestamps(values: pa.ChunkedArray, column: Column) -> Converted:
    required = Column(column.source, column.name, "number", is_required=True)
    if types.is_date(values.type) or types.is_timestamp(values.type):
        # Days become milliseconds, and have none to lose.
        zone = getattr(values.type, "tz", None)
        moments = values.cast(pa.timestamp("ms", zone), safe=False).cast(pa.int64())
        numbers = np.floor(_floats(moments) / 1e3)
    elif _is_number(values.type):
        numbers = _floats(values)
    else:
        way_out = " Parse the texts before." if _is_string(values.type) else ""
        raise _type_error(column.name, "timestamps or whole seconds", values.type, way_out)
    return to_seconds(numbers, check_numbers(numbers, required), column)


_BY_KIND = {
    "id": _texts,
    "text": _texts,
    "list": _lists,
    "number": _numbers,
    "timestamp": _timestamps,
}
_TYPE_OF_NULLS = {
    "id": pa.string(),
    "text": pa.string(),
    "list": pa.list_(pa.string()),
    "number": pa.float64(),
    "timestamp": pa.int64(),
}


_TIME_UNITS = ("s", "ms", "us", "ns")


def _floats(values: pa.ChunkedArray) -> FloatArray:
    if types.is_boolean(values.type):
        values = values.cast(pa.int8())
    # Whole numbers above 2^53 lose their last digits, which no label and no second needs.
    wide = values.cast(pa.float64(), safe=False)
    return wide.to_pandas().to_numpy(np.float64)


def _no_reasons(num_rows: int) -> Array:
    return np.full(num_rows, "", dtype=object)


def _is_string(kind: Any) -> bool:
    return types.is_string(kind) or types.is_large_string(kind)


def _is_number(kind: Any) -> bool:
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def _is_list(kind: Any) -> bool:
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _type_error(name: str, wanted: str, found: Any, way_out: str = "") -> TypeError:
    return TypeError(f"`{name}` must hold {wanted}, the file has the type {found}.{way_out}")
