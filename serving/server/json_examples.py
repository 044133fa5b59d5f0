"""The bodies of ``:classify`` and ``:regress``: tf.Examples written as JSON objects."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from serving.server.json_body import invalid, show, type_name, utf8
from serving.server.json_in import decode_b64, is_named
from serving.server.json_out import number_text, value_text

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def fill_input(body: dict[str, Any], target: Any) -> None:
    """Fills an ``Input`` message from ``examples`` and the optional ``context``.

    Raises:
        RequestError: INVALID_ARGUMENT, in TensorFlow Serving's words.
    """
    examples = target.example_list
    if "context" in body:
        examples = target.example_list_with_context
        _fill_example(body["context"], examples.context)
    reason = None
    if "examples" not in body:
        reason = "When method is classify, key 'examples' is expected and was not found"
    elif not isinstance(body["examples"], list):
        reason = "Expecting 'examples' value to be an list/array"
    elif not body["examples"]:
        reason = "'examples' value is an empty array"
    if reason is not None:
        raise invalid("JSON Value: ", show(body), " ", reason)
    for example in body["examples"]:
        _fill_example(example, examples.examples.add())


def _fill_example(value: Any, example: Any) -> None:
    if not isinstance(value, dict):
        raise invalid("Example must be JSON object but got JSON ", type_name(value))
    for name, content in value.items():
        feature = tf.train.Feature()
        for item in content if isinstance(content, list) else [content]:
            _add_value(name, item, feature)
        example.features.feature[name].CopyFrom(feature)


def _add_value(name: str, value: Any, feature: Any) -> None:
    if value is None or isinstance(value, list) or is_named(value):
        what = type_name(value)
        raise invalid("Feature: ", name, " has element with unexpected JSON type: ", what)
    kind: str
    stored: bytes | float
    if isinstance(value, dict):
        kind, stored = "bytes_list", decode_b64(value)
    elif isinstance(value, str):
        kind, stored = "bytes_list", utf8(value)
    elif isinstance(value, float):
        kind, stored = "float_list", value
    else:
        kind, stored = "int64_list", int(value)
        if value >= 1 << 63:
            text = " has uint64 element. Only int64 is supported."
            raise invalid("Feature: ", name, text)
    used = feature.WhichOneof("kind")
    if used not in (None, kind):
        text = f"Unexpected element type in feature: {name} expecting type: {_KINDS[used]}"
        raise invalid(text)
    try:
        getattr(feature, kind).value.append(stored)
    except (ValueError, OverflowError):
        raise invalid("Feature: ", name, f" cannot hold {show(value)}") from None


def classes_text(result: Any) -> str:
    """Prints a ClassificationResult: [label, score] pairs, one list a row."""
    rows = [
        [
            "["
            + value_text(entry.label.encode(), as_bytes=False, is_single=False)
            + ", "
            + number_text(entry.score, is_single=True)
            + "]"
            for entry in row.classes
        ]
        for row in result.classifications
    ]
    return '{\n    "results": [' + ", ".join("[" + ", ".join(row) + "]" for row in rows) + "]\n}"


def regressions_text(result: Any) -> str:
    """Prints a RegressionResult: one number a row."""
    values = (number_text(entry.value, is_single=True) for entry in result.regressions)
    return '{\n    "results": [' + ", ".join(values) + "]\n}"
