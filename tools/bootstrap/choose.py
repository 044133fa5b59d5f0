"""Which line of the stack, and which interpreter: decided from facts, without looking anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Version = tuple[int, ...]


class NoLineFits(Exception):
    """The machine cannot run the stack as it is; the text says what to install."""


@dataclass(frozen=True)
class Line:
    """A set of versions that ran together, and the interpreters it admits, best first."""

    name: str
    pythons: tuple[Version, ...]

    @property
    def pinned(self) -> str:
        """The pinned set, from the root of the checkout."""
        return f"requirements/line-{self.name.replace(' ', '-')}.txt"


@dataclass(frozen=True)
class Interpreter:
    """A Python that was run and answered."""

    path: str
    version: Version
    has_headers: bool = True
    is_cpython: bool = True


# ml-metadata and tensorflow-data-validation beyond TFX 1.16 have wheels for glibc >= 2.39 only.
NEWER_GLIBC: Version = (2, 39)
CURRENT = Line("tfx 1.21", ((3, 13), (3, 12), (3, 11), (3, 10)))
OLDER = Line("tfx 1.16", ((3, 10),))


def dotted(version: Version) -> str:
    """Writes `(3, 10)` as `3.10`."""
    return ".".join(map(str, version))


def pick_line(system: str, machine: str, glibc: Version | None) -> Line:
    """Returns the line for a machine as `platform` names it.

    Raises:
        NoLineFits: the pinned sets do not cover this kind of machine.
    """
    if system != "Linux" or machine not in ("x86_64", "AMD64") or glibc is None:
        libc = f"glibc {dotted(glibc)}" if glibc else "no glibc"
        raise NoLineFits(
            f"The whole stack runs on Linux with glibc on x86-64, and this is {system} on "
            f"{machine} with {libc}. The modelling part alone may run: `pip install '.[text]'`."
        )
    return CURRENT if glibc >= NEWER_GLIBC else OLDER


def pick_interpreter(line: Line, found: Iterable[Interpreter]) -> Interpreter | None:
    """Returns the best interpreter for the line, or None.

    One without C headers is left out: pyfarmhash, which TFX needs, has no wheels.
    """
    usable = [python for python in found if python.is_cpython and python.has_headers]
    for wanted in line.pythons:
        for python in usable:
            if python.version[:2] == wanted:
                return python
    return None


def nothing_found(
    line: Line, glibc: Version, found: Iterable[Interpreter], looked: Iterable[str]
) -> NoLineFits:
    """Returns the one message of what was looked for and what to install."""
    wanted = " or ".join(dotted(version) for version in line.pythons)
    headless = [
        python
        for python in found
        if python.version[:2] in line.pythons and python.is_cpython and not python.has_headers
    ]
    lines = [
        f"No Python {wanted} that can build C extensions was found, and the line {line.name}, "
        f"which fits this machine's glibc {dotted(glibc)}, needs one.",
        "Looked for:",
        *(f"  - {place}" for place in looked),
        *(f"Found Python {dotted(other.version)} at {other.path}." for other in found),
    ]
    if headless:
        minor = dotted(headless[0].version[:2])
        lines.append(
            f"{headless[0].path} would do, but Python.h is missing: "
            f"`apt-get install python{minor}-dev` (or your system's package of the same kind)."
        )
    first = dotted(line.pythons[0])
    lines.append(f"Install one with `pyenv install {first}` or `uv python install {first}`.")
    if line is OLDER:
        lines.append("On glibc >= 2.39 (Debian 13, Ubuntu 24.04) any Python 3.10 to 3.13 serves.")
    return NoLineFits("\n".join(lines))
