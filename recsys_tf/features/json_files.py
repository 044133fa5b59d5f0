"""JSON files that are there whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

WRITING = "writing-"
"""How the name of a file begins while it is written."""


def write_json(path: Path, values: Any) -> None:
    """Writes values into a file, which gets its name when it is whole.

    Args:
        path: The file; one that is there is replaced.
        values: What JSON can hold.
    """
    writing = path.with_name(WRITING + path.name)
    writing.write_text(json.dumps(values, indent=2), encoding="utf-8")
    os.replace(writing, path)


def read_json(path: Path) -> dict[str, Any]:
    """Reads what `write_json` wrote.

    Args:
        path: The file.

    Returns:
        The values by name.

    Raises:
        ValueError: If it is no JSON, or holds no values by name.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"`{path}` is not whole ({error}): it was cut short or changed.") from None
    if not isinstance(values, dict):
        raise ValueError(
            f"`{path}` must hold values by name, received a {type(values).__name__}; the file was "
            "changed."
        )
    return values
