"""What the tables of the UCI repository have in common: comma, blank, "?" for missing."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_tf.datasets.files import DATA_FOLDER_VARIABLE, find_files
from recsys_tf.datasets.reading import DataFile, Table, read_delimited
from recsys_tf.datasets.values import Column
from recsys_tf.schema import CategoricalFeature, NumericFeature, TableSchema, TaskSpec
from recsys_tf.types import FloatArray

_MISSING = "?"


def read_uci(
    dataset: str,
    forms: Sequence[tuple[str, ...]],
    folder: str | Path | None,
    columns: Sequence[Column],
    first_header: str,
) -> list[Table]:
    """Reads one of several sets of files, plain or packed by gzip.

    Args:
        dataset: Name of the data set and of its sub-folder.
        forms: For each form the names of its files, without `.gz`; the first complete one is read.
        folder: See `find_files`.
        columns: All columns of a row, in order.
        first_header: How a first line begins that is a header and no row.

    Returns:
        The typed rows of each file; "?" has become `""`.

    Raises:
        FileNotFoundError: If no form is complete.
        ValueError: If a file is not what it should be.
    """
    packed = [tuple(f"{name}.gz" for name in form) for form in forms]
    both = [form for pair in zip(forms, packed, strict=True) for form in pair]
    files = find_files(dataset, both, folder)
    if files is None:
        wanted = " or ".join(", ".join(form) for form in both)
        raise FileNotFoundError(
            f"`folder` must name the folder with {wanted}, or ${DATA_FOLDER_VARIABLE} must name "
            f"the folder above it; received neither. UCI publishes the files at "
            "https://archive.ics.uci.edu."
        )
    return [_read(file, columns, first_header) for file in files.values()]


def _read(file: DataFile, columns: Sequence[Column], first_header: str) -> Table:
    content = gzip.decompress(file.content) if file.name.endswith(".gz") else file.content
    # Adult's test file begins with a line about cross-validation.
    has_first_line = content.startswith((b"|", first_header.encode()))
    table = read_delimited(
        DataFile(file.name, content),
        columns,
        names=[column.source for column in columns],
        num_skipped_lines=int(has_first_line),
    )
    texts = [column.name for column in columns if column.kind == "text"]
    return replace(table, frame=table.frame.assign(**_without_marks(table.frame[texts])))


def _without_marks(texts: pd.DataFrame) -> dict[str, pd.Series]:
    return {str(name): column.where(column != _MISSING, "") for name, column in texts.items()}


def as_labels(texts: pd.Series, values: Mapping[str, float]) -> FloatArray:
    """Turns the classes of a column into numbers.

    Args:
        texts: The classes.
        values: The number of each class.

    Returns:
        float32 `[n]`.

    Raises:
        ValueError: If a row holds another class.

    Example:
        >>> as_labels(pd.Series(["no", "yes"]), {"no": 0, "yes": 1}).tolist()
        [0.0, 1.0]
    """
    others = sorted(set(texts) - set(values))
    if others:
        raise ValueError(
            f"`{texts.name}` must hold one of {', '.join(map(repr, values))} in each row, "
            f"received {others[0]!r}."
        )
    return texts.map(values).to_numpy(np.float32)


def uci_schema(
    columns: Iterable[str],
    numbers: Collection[str],
    long_tailed: Collection[str],
    labels: Mapping[str, str],
) -> TableSchema:
    """Describes a table of people: all columns are features but those that labels are read from.

    Args:
        columns: Names of the columns.
        numbers: Those of numbers; the others are categories.
        long_tailed: Those numbers whose logarithm is read.
        labels: By the binary task's name (and its label's) the column it is read from.

    Returns:
        The schema.
    """
    features = tuple(
        NumericFeature(name=name, side="user", scaling="log" if name in long_tailed else "standard")
        if name in numbers
        else CategoricalFeature(name=name, side="user")
        for name in columns
        if name not in labels.values()
    )
    tasks = tuple(TaskSpec(name=name, kind="binary", label=name) for name in labels)
    return TableSchema(features=features, tasks=tasks)
