"""The one form of a benchmark's answer: a table for people, a JSON file for the docs."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "numpy",
    "scipy",
    "tensorflow",
    "keras",
    "keras-nlp",
    "tensorflow-recommenders",
)


@dataclass(frozen=True)
class Row:
    """One measured number, and what it was held against.

    Attributes:
        name: What was measured, in words.
        value: The number; the mean or median where it was measured more than once.
        unit: Its unit, for instance `s`, `ms`, `examples/s`, `NDCG@10`.
        spread: Half-width or standard deviation over repetitions or seeds.
        reference: The number it is compared with.
        reference_name: Where that number is from.
        rule: `at_least` or `at_most`, with `bound`; both None for a number without a claim, such
            as a peer's.
        bound: The number that the rule names.
    """

    name: str
    value: float
    unit: str
    spread: float | None = None
    reference: float | None = None
    reference_name: str | None = None
    rule: Literal["at_least", "at_most"] | None = None
    bound: float | None = None

    def __post_init__(self) -> None:
        if (self.rule is None) != (self.bound is None):
            raise ValueError(
                f"`rule` and `bound` go together, received {self.rule!r} and {self.bound!r} in "
                f"row {self.name!r}."
            )
        if self.rule not in (None, "at_least", "at_most"):
            raise ValueError(f"`rule` must be 'at_least' or 'at_most', received {self.rule!r}.")

    @property
    def holds(self) -> bool | None:
        """Whether the value keeps the rule; None without a rule. NaN keeps none."""
        if self.bound is None:
            return None
        return self.value >= self.bound if self.rule == "at_least" else self.value <= self.bound


def add_results_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--results`, `report`'s folder."""
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result")


def report(
    script: str | Path,
    rows: Iterable[Row],
    data: str,
    seeds: Sequence[int] = (),
    folder: Path = RESULTS,
    variant: str = "",
    measured_under: Mapping[str, str] | None = None,
) -> bool:
    """Prints the table and writes `results/<script>.json`.

    Args:
        script: `__file__` of the benchmark.
        rows: What was measured.
        data: Which data, cut how, in a sentence.
        seeds: The seeds that the values are means over.
        folder: Where the file goes.
        variant: Tells the files of one script apart that is run in several ways.
        measured_under: Version by package where other interpreters did the work; None where this
            one did.

    Returns:
        Whether every rule holds: `sys.exit(not report(...))` tells the shell.
    """
    rows = list(rows)
    script_name = Path(script).stem
    name = f"{script_name}_{variant}" if variant else script_name
    content = {
        "command": shlex.join(["python", f"benchmarks/{script_name}.py", *sys.argv[1:]]),
        "machine": machine(),
        "versions": versions() if measured_under is None else dict(measured_under),
        "data": data,
        "seeds": list(seeds),
        "rows": [_jsonable({**asdict(row), "holds": row.holds}) for row in rows],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    # Written beside and moved, so that a full disk leaves the last result whole.
    unfinished = path.with_suffix(".json.unfinished")
    unfinished.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(unfinished, path)
    print(f"{name}: {data}\n\n{table(content['rows'])}\n\nwritten to {path}")
    return all(row.holds is not False for row in rows)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Lays the rows of a result out as a Markdown table.

    Args:
        rows: The `rows` of a result file.

    Returns:
        Lines of equal cell widths.
    """
    cells = [["what", "value", "unit", "reference", "asked", "holds"]]
    for row in rows:
        spread = "" if row["spread"] is None else f" ± {number(row['spread'])}"
        reference = "" if row["reference"] is None else number(row["reference"])
        if row["reference_name"]:
            reference = f"{reference} ({row['reference_name']})".strip()
        sign = {"at_least": "≥ ", "at_most": "≤ ", None: ""}[row["rule"]]
        asked = "" if row["bound"] is None else sign + number(row["bound"])
        holds = {True: "yes", False: "NO", None: ""}[row["holds"]]
        value = number(row["value"]) + spread
        cells.append([row["name"], value, row["unit"], reference, asked, holds])
    return lay_out(cells)


def lay_out(cells: Sequence[Sequence[str]]) -> str:
    """Lays cells out as a Markdown table whose first line is the heading.

    Args:
        cells: Lines of equally many texts.

    Returns:
        Lines of equal cell widths.
    """
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Says what the figures were measured on.

    Returns:
        Processor, usable cores, memory, system, and the load when asked: other work on the
        machine makes times longer.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "load_average_1_min": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Lists the installed versions of what the figures depend on.

    Returns:
        Version by package; absent packages are left out.
    """
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def number(value: float | None) -> str:
    """Writes a measured number with four digits, or says that it is not defined."""
    if value is None:
        return "undefined"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _jsonable(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and knows no NumPy number."""
    clean = {}
    for key, value in row.items():
        value = value.item() if hasattr(value, "item") else value
        is_undefined = isinstance(value, float) and not math.isfinite(value)
        clean[key] = None if is_undefined else value
    return clean
