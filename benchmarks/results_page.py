"""Makes docs/results.md of all files in benchmarks/results: no figure is typed.

    python benchmarks/results_page.py

A measure that several methods share becomes a table of methods by measures; what is held to a
bound, and all else, is listed below it. A test holds the page to the files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from reporting import RESULTS, lay_out, number, table

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
HEADING = """# Results

What the scripts in `benchmarks/` have measured, made from `benchmarks/results` by
`python benchmarks/results_page.py`. A value is the mean and standard deviation over the seeds (of a
sample, over n - 1), or median and spread over the rounds of a time. "asked" is the bound that a
claim is held to; where "holds" says NO the figure falls short.
"""

Rows = Sequence[dict[str, Any]]


def make_page(folder: Path = RESULTS) -> str:
    """Returns the page of all results in a folder, as Markdown."""
    paths = sorted(folder.glob("*.json"))
    sections = [
        section(p.stem, json.loads(p.read_text(encoding="utf-8")), log_of(p)) for p in paths
    ]
    return "\n".join([HEADING, *sections])


def log_of(path: Path) -> Path | None:
    """Returns the file of the trials beside a result, None where it has none."""
    log = path.parent / "logs" / f"{path.stem}.jsonl"
    return log if log.exists() else None


def section(name: str, content: dict[str, Any], log: Path | None = None) -> str:
    """Returns one result as Markdown.

    Args:
        name: The file's name without its suffix.
        content: What `reporting.report` wrote.
        log: The trials behind the result, a line each, and those of a search for settings.

    Returns:
        Data, command, machine and seeds, then the tables.
    """
    machine, versions = content["machine"], content["versions"]
    seeds = ", ".join(map(str, content["seeds"]))
    origin = (
        f"`{content['command']}`; {machine['processor']}, {machine['cores']} cores, "
        f"TensorFlow {versions.get('tensorflow', 'not installed')}, Keras {versions.get('keras')}"
        + (f"; seeds {seeds}" if seeds else "")
        + "."
    )
    if log is not None:
        # From docs/ on.
        link = f"../benchmarks/results/{log.parent.name}/{log.name}"
        origin += f" Its {trials_of(log)}: [{log.name}]({link})."
    shared, others = split_rows(content["rows"])
    tables = [by_method(shared)] if shared else []
    tables += [table(others)] if others else []
    return "\n\n".join([f"## {name}", f"{content['data']}.", *tables, origin]) + "\n"


def trials_of(log: Path) -> str:
    """Counts the trials of a log, those of a search apart: no row was made of them."""
    lines = log.read_text(encoding="utf-8").splitlines()
    num_searched = sum("is_search" in json.loads(line).get("trial", {}) for line in lines)
    of_search = f", and {num_searched} of a search for settings" if num_searched else ""
    return f"{len(lines) - num_searched} trials{of_search}"


def split_rows(rows: Rows) -> tuple[Rows, Rows]:
    """Parts the rows `measure, method` that make a table from all others.

    Args:
        rows: The rows of a result.

    Returns:
        Rows of whose measures two methods or more have a value and whose methods have two measures
        or more; and the rest, with all that is held to a bound.
    """
    names = [row["name"] for row in rows]
    kept = [row for row in rows if ", " in row["name"] and names.count(row["name"]) == 1]
    while True:
        measures = [_parts(row)[0] for row in kept]
        methods = [_parts(row)[1] for row in kept]
        left = [
            row
            for row, measure, method in zip(kept, measures, methods, strict=True)
            if measures.count(measure) > 1 and methods.count(method) > 1
        ]
        if len(left) == len(kept):
            return left, [row for row in rows if row not in left or row["rule"] is not None]
        kept = left


def by_method(rows: Rows) -> str:
    """Lays rows `measure, method` out with a line a method and a column a measure."""
    methods = list(dict.fromkeys(_parts(row)[1] for row in rows))
    measures = list(dict.fromkeys(_parts(row)[0] for row in rows))
    values = {_parts(row): _value(row) for row in rows}
    references: dict[str, dict[str, None]] = {}  # Each once, in the order of the rows.
    for row in rows:
        if row["reference_name"]:
            references.setdefault(_parts(row)[0], {})[_reference(row)] = None
    cells = [["", *measures]]
    cells += [[way, *(values.get((what, way), "") for what in measures)] for way in methods]
    if references:
        cells.append(["for comparison", *("; ".join(references.get(m, ())) for m in measures)])
    return lay_out(cells)


def _parts(row: dict[str, Any]) -> tuple[str, str]:
    measure, _, method = row["name"].partition(", ")
    return measure, method


def _value(row: dict[str, Any]) -> str:
    if row["spread"] is None:
        return number(row["value"])
    spread = np.format_float_positional(row["spread"], 2, fractional=False, trim="-")
    return f"{number(row['value'])} ± {spread}"


def _reference(row: dict[str, Any]) -> str:
    value = "" if row["reference"] is None else f"{number(row['reference'])} "
    return f"{value}({row['reference_name']})"


def main() -> None:
    """Writes the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(make_page(), encoding="utf-8")
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
