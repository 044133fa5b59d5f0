"""What is installed, held against the ranges that the package itself declares."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.requirements import Requirement

from recsys_tf.cli.failures import ExitCode, Failure

DISTRIBUTION = "recsys_tf"
CORE = "core"
"""The part that every command needs; the others are the extras of setup.py."""


@dataclass(frozen=True)
class Package:
    """One required package.

    Attributes:
        extra: The part that wants it.
        name: Its name.
        wanted: The admitted versions.
        installed: The version that is there; None where there is none.
        fault: What is wrong: `missing` or `not in the range`; empty where all is well.
    """

    extra: str
    name: str
    wanted: str
    installed: str | None
    fault: str


def packages(extras: Iterable[str]) -> list[Package]:
    """Lists the packages of the core and of extras, in this order.

    Args:
        extras: `CORE` and names of extras.

    Raises:
        Failure: If the package itself is not installed, so that its ranges are not known.
    """
    declared = _declared()
    if declared is None:
        raise Failure(
            "recsys_tf runs from a folder and is not installed; `make bootstrap` in the checkout, "
            "or `pip install -e .`.",
            ExitCode.ENVIRONMENT,
        )
    requirements = [Requirement(text) for text in declared]
    return [_package(extra, each) for extra in extras for each in requirements if _of(extra, each)]


def require(extra: str, command: str) -> None:
    """Stops before any work where packages of an extra are missing.

    Args:
        extra: Name of the extra.
        command: The command that needs it.

    Raises:
        Failure: If one is missing; the text names all of them.
    """
    if _declared() is None:
        return  # Run from a folder: the import itself will tell.
    missing = [each.name for each in packages([extra]) if each.fault == "missing"]
    if missing:
        raise Failure(
            f"`recsys-tf {command}` needs {', '.join(missing)}: `pip install 'recsys_tf[{extra}]'`"
            ", or see `recsys-tf doctor`.",
            ExitCode.ENVIRONMENT,
        )


def _declared() -> list[str] | None:
    """Returns the package's own requirements; None where it is not installed."""
    try:
        return importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return None


def _of(extra: str, requirement: Requirement) -> bool:
    if requirement.marker is None:
        return extra == CORE
    named = re.search(r"extra == ['\"]([^'\"]+)['\"]", str(requirement.marker))
    if named is None:
        return extra == CORE and requirement.marker.evaluate()
    return named[1] == extra and requirement.marker.evaluate({"extra": extra})


def _package(extra: str, requirement: Requirement) -> Package:
    try:
        version: str | None = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    fault = "missing" if version is None else ""
    if version is not None and not requirement.specifier.contains(version, prereleases=True):
        fault = "not in the range"
    return Package(extra, requirement.name, str(requirement.specifier), version, fault)
