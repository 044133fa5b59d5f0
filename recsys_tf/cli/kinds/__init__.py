"""The kinds of run, and which of them a configuration describes.

A command asks `load_run(run)` and then the `RunKind` that it gets; none asks which it is.
"""

from __future__ import annotations

from recsys_tf.cli.kinds.kind import HeldOutPart, InteractionsKind, RunKind
from recsys_tf.cli.kinds.next_items import NextItems
from recsys_tf.cli.kinds.table_rows import TableRows
from recsys_tf.cli.kinds.two_towers import TwoTowers
from recsys_tf.config import RunConfig

__all__ = [
    "HeldOutPart",
    "InteractionsKind",
    "NextItems",
    "RunKind",
    "TableRows",
    "TwoTowers",
    "kind_of",
    "load_run",
]


def kind_of(run: RunConfig) -> type[RunKind]:
    """Returns the kind of a run.

    Example:
        >>> kind_of(RunConfig()).__name__
        'TwoTowers'
    """
    if run.table is not None:
        return TableRows
    return TwoTowers if run.sequence is None else NextItems


def load_run(run: RunConfig) -> RunKind:
    """Reads the data of a run; see `load_prepared` for the errors."""
    return kind_of(run).load(run)
