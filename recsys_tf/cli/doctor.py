"""`recsys-tf doctor`: what this machine and this environment have, and what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

import typer

from recsys_tf.cli.console import OUT, plain_table, print_table, to_json
from recsys_tf.cli.failures import ExitCode, reported
from recsys_tf.cli.installed import CORE, Package, packages
from recsys_tf.cli.options import AsJson

# ml-metadata and tensorflow-data-validation of TFX 1.21 have wheels for this glibc and newer only.
GLIBC_OF_CURRENT_LINE = (2, 39)
PYTHONS = {"tfx 1.21": ((3, 10), (3, 13)), "tfx 1.16": ((3, 10), (3, 10))}
PURPOSES = {
    CORE: "modelling: data, train, evaluate, export",
    "text": "text features",
    "serving": "serve, recommend",
    "pipeline": "pipeline, demo (with serving and text)",
    "notebooks": "notebooks",
}


@reported
def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, which line fits, what is missing.

    Exit code 1 when something is missing that every command needs; the extras are reported, with
    how to get them, and may be missing.

    Example:
      recsys-tf doctor
    """
    machine, faults = machine_facts(), machine_faults()
    found = packages(PURPOSES)
    faults += [f"{each.name} {each.fault}" for each in found if each.fault and each.extra == CORE]
    if as_json:
        listed = [vars(each) for each in found]
        typer.echo(to_json({"machine": machine, "packages": listed, "faults": faults}))
    else:
        for name, value in machine.items():
            OUT.print(f"{name:<14}{value}", markup=False)
        OUT.print()
        print_table(_package_table(found))
        OUT.print()
        _print_advice(found, faults)
    if faults:
        raise typer.Exit(ExitCode.WORK_FAILED)


def line_of_machine() -> str:
    """Returns the line of the stack that fits the C library: `tfx 1.21` or `tfx 1.16`."""
    name, version = platform.libc_ver()
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
    is_current = name == "glibc" and numbers >= GLIBC_OF_CURRENT_LINE
    return "tfx 1.21" if is_current else "tfx 1.16"


def machine_facts() -> dict[str, str]:
    """Returns what was found, by what it is."""
    line = line_of_machine()
    low, high = (".".join(map(str, version)) for version in PYTHONS[line])
    cache = _existing(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser())
    return {
        "Python": f"{platform.python_version()} at {sys.executable}",
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "C library": " ".join(platform.libc_ver()).strip() or "not glibc",
        "line": f"{line}, on Python {low if low == high else f'{low} to {high}'}",
        "data": os.environ.get("RECSYS_DATA_DIR") or "downloaded (RECSYS_DATA_DIR is not set)",
        "cache": f"{cache}, {shutil.disk_usage(cache).free / 1e9:.1f} GB free",
    }


def machine_faults() -> list[str]:
    """Returns what of the machine keeps the whole stack from running, a sentence each."""
    faults = []
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "AMD64"):
        faults.append(
            f"the stack is tried on Linux on x86-64 only, this is {platform.system()} on "
            f"{platform.machine()}"
        )
    if os.environ.get("TF_USE_LEGACY_KERAS", "1") not in ("1", "true", "True"):
        faults.append("TF_USE_LEGACY_KERAS must be 1 or unset: TFRS needs Keras 2 as tf.keras")
    return faults


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _package_table(found: list[Package]) -> Any:
    table = plain_table()
    for name in ("part", "package", "wanted", "installed", ""):
        table.add_column(name)
    extra = None
    for each in found:
        part = "" if each.extra == extra else each.extra
        extra = each.extra
        table.add_row(part, each.name, each.wanted, each.installed or "-", each.fault or "ok")
    return table


def _print_advice(found: list[Package], faults: list[str]) -> None:
    for extra, purpose in PURPOSES.items():
        missing = [each for each in found if each.extra == extra and each.fault]
        if missing:
            OUT.print(f"{extra} ({purpose}) is incomplete: {_way_to_get(extra)}", markup=False)
    for fault in faults:
        OUT.print(f"needed: {fault}", markup=False)
    OUT.print("Something needed is missing." if faults else "Everything needed is here.")


def _way_to_get(extra: str) -> str:
    wanted = "recsys_tf" if extra == CORE else f"recsys_tf[{extra}]"
    text = f"`make bootstrap` in the checkout, or `pip install '{wanted}'`"
    low, high = PYTHONS[line_of_machine()]
    if extra == "pipeline" and not low <= sys.version_info[:2] <= high:
        text += (
            f"; TFX does not run on this Python with this C library ({line_of_machine()} takes "
            f"{low[0]}.{low[1]} to {high[0]}.{high[1]})"
        )
    return text
