"""Responses to JSON: shortest decimals that read back equal, bytes as base64."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np

from serving.server.errors import RequestError


def number_text(value: float, *, is_single: bool = False) -> str:
    """Prints a float: six digits where they read back equal, else all that are needed.

    Args:
        value: any float, also NaN and the infinities (printed bare, as JavaScript does).
        is_single: whether it is a float32, which needs 9 digits and not 17.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:.6g}"
    read_back = float(np.float32(text)) if is_single else float(text)
    if read_back != value:
        text = f"{value:.{9 if is_single else 17}g}"
    # So that a reader cannot take 1.0 for a whole number.
    return text if "." in text or "e" in text else text + ".0"


def value_text(value: Any, *, as_bytes: bool, is_single: bool) -> str:
    """Prints nested lists of an array's values."""
    if isinstance(value, list):
        items = (value_text(item, as_bytes=as_bytes, is_single=is_single) for item in value)
        return "[" + ", ".join(items) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value, is_single=is_single)
    if isinstance(value, bytes):
        if as_bytes:
            return '{"b64": "' + base64.b64encode(value).decode() + '"}'
        return json.dumps(value.decode("utf-8", "replace"), ensure_ascii=False)
    return str(value)


def _lists(name: str, array: np.ndarray) -> tuple[Any, dict[str, bool]]:
    is_text = array.dtype == object
    options = {
        "as_bytes": is_text and name.endswith("_bytes"),
        "is_single": array.dtype == np.float32 or array.dtype == np.float16,
    }
    return array.tolist(), options


def rows_text(outputs: dict[str, np.ndarray]) -> str:
    """Prints ``{"predictions": [...]}``: one entry a row, an object where outputs are several.

    Raises:
        RequestError: where an output has no first dimension, or another one than the others.
    """
    size = -1
    for name, array in sorted(outputs.items()):
        if array.ndim == 0:
            text = f"Tensor name: {name} has no shape information "
            raise RequestError("INVALID_ARGUMENT", text)
        if size not in (-1, len(array)):
            text = (
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}"
            )
            raise RequestError("INVALID_ARGUMENT", text)
        size = len(array)
    columns = {}
    for name, array in sorted(outputs.items()):
        values, options = _lists(name, array)
        columns[name] = [value_text(value, **options) for value in values]
    if len(columns) == 1:
        rows = next(iter(columns.values()))
    else:
        rows = [
            "{" + ", ".join(f"{json.dumps(name)}: {columns[name][i]}" for name in columns) + "}"
            for i in range(size)
        ]
    return '{\n    "predictions": [' + ",\n        ".join(rows) + "]\n}"


def columns_text(outputs: dict[str, np.ndarray]) -> str:
    """Prints ``{"outputs": ...}``: the bare value where there is one output."""
    texts = {}
    for name, array in sorted(outputs.items()):
        values, options = _lists(name, array)
        texts[name] = value_text(values, **options)
    body = next(iter(texts.values()))
    if len(texts) > 1:
        body = "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items()) + "}"
    return '{\n    "outputs": ' + body + "\n}"


def error_text(message: str) -> str:
    """Prints the error body."""
    return '{ "error": ' + json.dumps(message, ensure_ascii=False) + " }"
