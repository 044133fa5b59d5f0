"""How the commands speak: results on stdout, what is being done on stderr."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)
DESCRIPTION_WIDTH = 64


def say(description: str, seconds: float | None = None, note: str = "") -> None:
    """Prints a line of progress, with how long it took or a note in that place."""
    taken = f"{note:>9}" if seconds is None else f"{seconds:7.1f} s"
    ERR.print(Text(f"{description:<{DESCRIPTION_WIDTH}}{taken}".rstrip()))


@contextmanager
def stage(description: str, *, has_spinner: bool = True) -> Iterator[None]:
    """Shows what is being done, and when it is done how long it took.

    Args:
        description: What is being done.
        has_spinner: False where the work shows a progress bar of its own.
    """
    start_s = time.monotonic()
    with ERR.status(Text(f"{description} ...")) if has_spinner else nullcontext():
        yield
    say(description, time.monotonic() - start_s)


@contextmanager
def bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows a progress bar on a terminal, and a line when it is full.

    Args:
        description: What is being done.
        total: Steps in all.

    Yields:
        A function that is told how many steps were made.
    """
    start_s = time.monotonic()
    with progress() as shown:
        task = shown.add_task(description, total=total)
        yield lambda steps: shown.advance(task, steps)
    say(description, time.monotonic() - start_s)


def progress() -> Progress:
    """Makes a progress bar that vanishes when it is done, and is silent but on a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=ERR,
        transient=True,
        disable=not ERR.is_terminal,
    )


def print_table(table: Table, title: str = "") -> None:
    """Prints a table of results, below a title where there is one."""
    if title:
        # Not as the table's own title, which would be as narrow as the table.
        OUT.print(title, markup=False)
    OUT.print(table, soft_wrap=False)


def plain_table() -> Table:
    """Makes an empty table in the one form of this program."""
    return Table(box=None, pad_edge=False)


def metrics_table(
    columns: Mapping[str, Mapping[str, float]], names: Sequence[str] | None = None
) -> Table:
    """Lays metrics out: a row a metric, a column a model.

    Args:
        columns: By model, values by `<task>/<metric>`.
        names: The metrics to show, in order; None shows all that the first model has.

    Returns:
        The table; a dash where a model has no such metric.
    """
    table = plain_table()
    table.add_column("metric")
    for name in columns:
        table.add_column(name, justify="right")
    first = next(iter(columns.values()), {})
    for name in first if names is None else names:
        cells = [of_model.get(name) for of_model in columns.values()]
        table.add_row(readable(name), *("-" if v is None else f"{v:.4f}" for v in cells))
    return table


def readable(metric: str) -> str:
    """Writes a metric's name for people.

    Example:
        >>> readable("watch/ndcg_at_10")
        'watch ndcg@10'
    """
    return metric.replace("/", " ").replace("answered_", "answered ").replace("_at_", "@")


def to_json(values: Any) -> str:
    """Writes plain values as JSON; a number that is not finite, which JSON does not know, as null.

    Args:
        values: Mappings, lists, texts and numbers.

    Returns:
        The text, indented.

    Example:
        >>> print(to_json({"auc": float("nan"), "rows": [1]}))
        {
          "auc": null,
          "rows": [
            1
          ]
        }
    """
    return json.dumps(_finite(values), indent=2, allow_nan=False)


def _finite(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _finite(each) for name, each in values.items()}
    if isinstance(values, (list, tuple)):
        return [_finite(each) for each in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values
