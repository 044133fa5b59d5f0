"""The base of every typed description: immutable, read from and written to YAML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import Self


class SpecError(ValueError):
    """Everything that is wrong with a schema or a configuration, one fault a line."""


class Spec(BaseModel):
    """Base of all descriptions: immutable, no unknown fields, YAML in and out."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Builds the description from plain values.

        Args:
            values: Nested dictionaries and lists, as read from YAML or JSON.

        Returns:
            The description.

        Raises:
            SpecError: If anything is wrong; the text lists every fault with its field's path.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SpecError(describe_faults(cls.__name__, error)) from None

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Reads the description from a YAML file; see `from_dict` for the errors."""
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise SpecError(f"`{path}` cannot be read: {error.strerror}.") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SpecError(f"`{path}` is not valid YAML: {error}") from None
        return cls.from_dict(values)

    def changed(self, names: Iterable[str]) -> dict[str, Any]:
        """Returns those of the named fields that are away from their default, with their values.

        A saved description writes every field, so that to stand there is not to be chosen.
        """
        fields = type(self).model_fields
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value != fields[name].default}

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values that `from_dict` turns back into an equal description."""
        return self.model_dump(mode="json")

    def to_yaml(self, path: str | Path) -> None:
        """Writes the description to a YAML file that `from_yaml` reads."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
        Path(path).write_text(text, encoding="utf-8")


def describe_faults(title: str, error: ValidationError) -> str:
    """Turns a validation error into one line a fault: `path: what was wrong`."""
    lines = []
    for fault in error.errors():
        path = ".".join(str(part) for part in fault["loc"])
        text = fault["msg"].removeprefix("Value error, ")
        # A cross-check reports many faults in one text, each with a path of its own.
        for line in text.splitlines():
            received = "" if fault["type"] in ("value_error", "missing") else _received(fault)
            lines.append(f"{path}: {line}{received}" if path else line)
    return list_faults(title, lines)


def list_faults(title: str, faults: Sequence[str]) -> str:
    r"""Joins faults into one text, one a line below their number.

    Example:
        >>> list_faults("RunConfig", ["training.epochs: must be 1 or more"])
        'RunConfig has 1 fault:\n  training.epochs: must be 1 or more'
    """
    heading = f"{title} has {len(faults)} fault{'s' * (len(faults) != 1)}:"
    return "\n  ".join([heading, *faults])


def _received(fault: Any) -> str:
    text = repr(fault.get("input"))
    return f" (received {text if len(text) <= 80 else text[:77] + '...'})"
