"""What the machine has: its C library, its interpreters, its compiler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.bootstrap.choose import Interpreter, Line, Version, dotted

_ASK = (
    "import json, os, sys, sysconfig; print(json.dumps([list(sys.version_info[:3]), "
    "os.path.exists(os.path.join(sysconfig.get_paths()['include'], 'Python.h')), "
    "sys.implementation.name == 'cpython' and not sysconfig.get_config_var('Py_GIL_DISABLED')]))"
)


def run_quietly(command: list[str], timeout_s: float = 30) -> str | None:
    """Returns what the command printed, or None where it failed or is not there."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def glibc_version() -> Version | None:
    """Returns for instance (2, 36), or None on a system with another C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, ValueError, OSError):
        return None
    return tuple(int(part) for part in version.split(".")[:2]) if name == "glibc" else None


def cpp_compiler() -> str | None:
    """Returns the path of a C++ compiler, which pyfarmhash is built with."""
    named = os.environ.get("CXX", "").split()
    return next((found for name in (*named, "g++", "c++") if (found := shutil.which(name))), None)


def interpreter(path: str) -> Interpreter | None:
    """Runs the interpreter; None where it does not answer, as a pyenv shim may not."""
    answer = run_quietly([path, "-I", "-c", _ASK])
    if answer is None:
        return None
    version, has_headers, is_cpython = json.loads(answer)
    return Interpreter(path, tuple(version), has_headers, is_cpython)


def pyenv_root() -> Path:
    """Returns pyenv's folder, whether or not it is there."""
    named = os.environ.get("PYENV_ROOT") or run_quietly(["pyenv", "root"])
    return Path(named) if named else Path.home() / ".pyenv"


def interpreter_paths(line: Line) -> Iterator[str]:
    """Yields where the line's interpreters may lie, without looking whether they run."""
    for version in line.pythons:
        name = f"python{dotted(version)}"
        if on_path := shutil.which(name):
            yield on_path
        yield from map(str, sorted(pyenv_root().glob(f"versions/{dotted(version)}*/bin/{name}")))
    yield sys.executable
    if on_path := shutil.which("python3"):
        yield on_path


def find_interpreters(line: Line) -> list[Interpreter]:
    """Returns those that answered, each path once."""
    return [
        found for path in dict.fromkeys(interpreter_paths(line)) if (found := interpreter(path))
    ]


def places_looked_at(line: Line) -> list[str]:
    """Returns in words where `find_interpreters` looked."""
    names = ", ".join(f"python{dotted(version)}" for version in line.pythons)
    return [f"{names} and python3 on PATH", f"the interpreters below {pyenv_root()}/versions"]
