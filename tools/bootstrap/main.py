"""The command: `python3 -m tools.bootstrap [--check]`."""

from __future__ import annotations

import argparse
import fcntl
import platform
import sys
import time
from pathlib import Path

from tools.bootstrap import environment, probe
from tools.bootstrap.choose import (
    Interpreter,
    Line,
    NoLineFits,
    Version,
    dotted,
    nothing_found,
    pick_interpreter,
    pick_line,
)
from tools.bootstrap.uv import find_uv, get_uv

ROOT = Path(__file__).resolve().parents[2]


def find_python(root: Path, uv: str, line: Line, glibc: Version) -> Interpreter:
    """Returns the line's interpreter, uv's own where the machine has none."""
    found = probe.find_interpreters(line)
    if python := pick_interpreter(line, found):
        return python
    path = environment.managed_python(uv, line, root)
    if path and (python := probe.interpreter(path)):
        return python
    looked = [*probe.places_looked_at(line), "a Python managed by uv"]
    raise nothing_found(line, glibc, found, looked)


def bootstrap(root: Path) -> None:
    """Makes `.venv` unless it is there as the checkout asks for it."""
    glibc = probe.glibc_version()
    line = pick_line(platform.system(), platform.machine(), glibc)
    assert glibc is not None  # pick_line refuses a machine without one
    state = environment.state(root, line)
    if state == "ready":
        return
    if state == "foreign":
        raise NoLineFits(f"{root}/.venv was not made by this command: move it away first.")
    if probe.cpp_compiler() is None:
        raise NoLineFits(
            "No C++ compiler was found (looked for $CXX, g++ and c++), and pyfarmhash, which TFX "
            "needs, is built from source: `apt-get install g++` or your system's like."
        )
    start = time.monotonic()
    print(f"Setting up recsys_tf: glibc {dotted(glibc)} takes the line {line.name}.", flush=True)
    with environment.told("looking for uv, the installer"):
        uv = get_uv(root / ".cache" / "uv")
    environment.make(root, uv, line, find_python(root, uv, line, glibc))
    print(f"Ready in {time.monotonic() - start:.0f} s: .venv", flush=True)


def check(root: Path) -> None:
    """Says what the machine has and which line it takes, changing nothing."""
    glibc = probe.glibc_version()
    print(f"system       {platform.system()} {platform.machine()}")
    print(f"C library    {'glibc ' + dotted(glibc) if glibc else 'not glibc'}")
    print(f"C++ compiler {probe.cpp_compiler() or 'none: install g++'}")
    print(f"uv           {find_uv(root / '.cache' / 'uv') or 'none yet: fetched when needed'}")
    line = pick_line(platform.system(), platform.machine(), glibc)
    assert glibc is not None  # pick_line refuses a machine without one
    print(f"line         {line.name} ({line.pinned})")
    found = probe.find_interpreters(line)
    for python in found:
        note = "" if python.has_headers else " (without Python.h)"
        print(f"found        Python {dotted(python.version)}{note} at {python.path}")
    print(f".venv        {environment.state(root, line)}")
    if pick_interpreter(line, found) is None:
        raise nothing_found(line, glibc, found, probe.places_looked_at(line))


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.bootstrap", description=__doc__)
    parser.add_argument("--check", action="store_true", help="say what would be done, and stop")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            check(ROOT)
            return 0
        (ROOT / ".cache").mkdir(exist_ok=True)
        with (ROOT / ".cache" / "bootstrap.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second `make` waits for the first
            bootstrap(ROOT)
    except (NoLineFits, environment.InstallFailed, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run it again to go on.", file=sys.stderr)
        return 130
    return 0
