"""HTTP bodies to JSON objects, and how JSON is named in error texts; see json_in for tensors."""

from __future__ import annotations

import json
from typing import Any

from serving.server.errors import RequestError
from serving.server.json_out import number_text

_PARSE_TEXT = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Expecting ',' delimiter": "Missing a comma or } after an object member.",
    "Extra data": "The document root must not be followed by other values.",
}

_NUM_SHOWN = 1024  # characters of a value in an error text, of which the server sends no more


def invalid(*parts: object) -> RequestError:
    """Makes the INVALID_ARGUMENT error whose text is the joined parts."""
    return RequestError("INVALID_ARGUMENT", "".join(str(part) for part in parts))


def parse_body(body: bytes, *, max_depth: int) -> dict[str, Any]:
    """Parses a request body; ``NaN`` and ``Infinity`` are numbers.

    TensorFlow Serving ignores what follows the object. Here it is refused: half of such a body
    is what its sender did not mean.

    Args:
        body: the inflated body.
        max_depth: of nested lists and objects. TensorFlow Serving has no such limit and
            crashes on 250,000 nested lists (CVE-2025-0649).

    Raises:
        RequestError: INVALID_ARGUMENT for anything that is not one JSON object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        parsed = json.loads(body.decode("utf-8"), object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        reason = _PARSE_TEXT.get(error.msg, error.msg)
        raise invalid("JSON Parse error: ", reason, " at offset: ", error.pos) from None
    except UnicodeDecodeError as error:
        text = "Invalid encoding in string. at offset: "
        raise invalid("JSON Parse error: ", text, error.start) from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    except ValueError:  # Python refuses whole numbers of more than 4,300 digits
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None
    if _is_deeper(parsed, max_depth):
        raise _too_deep(max_depth)
    if not isinstance(parsed, dict):
        raise invalid("JSON Value: ", show(parsed), " Is not object")
    return parsed


def _too_deep(max_depth: int) -> RequestError:
    return invalid(f"JSON Parse error: the body nests deeper than {max_depth} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise invalid("JSON Parse error: an object has the same key twice")
    return members


def _is_deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            child
            for parent in layer
            if isinstance(parent, (list, dict))
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (list, dict))
        ]
        if not layer:
            return False
    return True


def signature_name(body: dict[str, Any]) -> str:
    """Gives ``signature_name``, or "" where the body has none."""
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            "JSON Value: ",
            show(body),
            " not formatted correctly. 'signature_name' key must be a string value.",
        )
    utf8(name)
    return name


def utf8(value: str) -> bytes:
    """Encodes a string; half a surrogate pair is refused."""
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from None


def type_name(value: Any) -> str:
    """Names a JSON value's type as TensorFlow Serving does."""
    if isinstance(value, bool):
        return "True" if value else "False"
    names = {dict: "Object", list: "Array", str: "String", type(None): "Null"}
    return names.get(type(value), "Number")


def show(value: Any) -> str:
    """Prints the beginning of a JSON value, in TensorFlow Serving's four-space layout."""
    if isinstance(value, float):
        return number_text(value)
    pieces = json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value)
    shown, size = [], 0
    for piece in pieces:  # no more than is shown: the value may be a whole body
        shown.append(piece)
        size += len(piece)
        if size >= _NUM_SHOWN:
            break
    return "".join(shown)[:_NUM_SHOWN]
