"""The Parquet files of one frame: found, checked one by one, and read as one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as arrow_dataset

from recsys_tf.datasets.arrow_values import common_type
from recsys_tf.naming import unknown_name_message


def find_files(place: Path, name: str) -> list[str]:
    """Returns the files of a frame: one, or all in the folder of that name.

    Args:
        place: Folder of the data set.
        name: Of the frame, such as `events`.

    Returns:
        Paths in the order of their names; none where there is no such file.
    """
    single = place / f"{name}.parquet"
    if single.is_file():
        return [str(single)]
    return [str(path) for path in sorted((place / name).rglob("*.parquet")) if path.is_file()]


def column_names(paths: Sequence[str]) -> list[str]:
    """Returns the columns of the first file; none without a file.

    Args:
        paths: See `find_files`.

    Returns:
        Names in the file's order.

    Raises:
        ValueError: If it is no Parquet file.
    """
    return list(_opened(paths).schema.names) if paths else []


def read_columns(paths: Sequence[str], wanted: Sequence[str]) -> pa.Table:
    """Reads some columns of files, several at a time.

    Args:
        paths: At least one file.
        wanted: Names of the columns; each file must have them all.

    Returns:
        The rows in the order of the files, each column of the type that holds those of all files
        (see `common_type`).

    Raises:
        ValueError: If a file is no Parquet file or lacks a column, or a column is of one kind in
            one file and of another in the next.
    """
    opened = _opened(paths)
    try:
        found = [(each.path, each.physical_schema) for each in opened.get_fragments()]
        for path, schema in found:
            _check_columns(path, schema.names, wanted)
        schema = pa.schema(
            [(name, _type_of(name, [(p, s.field(name).type) for p, s in found])) for name in wanted]
        )
        return _opened(paths, schema).to_table(columns=list(wanted))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(paths, error) from None


def _check_columns(path: str, names: Sequence[str], wanted: Sequence[str]) -> None:
    # Arrow reads nulls where a file has no column.
    absent = [each for each in wanted if each not in names]
    if absent:
        raise ValueError(
            f"`{path}` lacks {len(absent)} of {len(wanted)} columns: "
            + " ".join(unknown_name_message("column", each, names) for each in absent)
        )


def _type_of(name: str, found: Sequence[tuple[str, Any]]) -> Any:
    # Of itself Arrow forces the first file's types on all: a later file's seconds would be read as
    # the microseconds of the first, and "007" as the number 7.
    common = common_type([kind for _, kind in found])
    if common is not None:
        return common
    path, kind, other_path, other = next(
        (path, kind, other_path, other)
        for row, (other_path, other) in enumerate(found)
        for path, kind in found[:row]
        if common_type([kind, other]) is None
    )
    raise ValueError(
        f"`{name}` must be of one kind in all files, received {kind} in `{path}` and {other} in "
        f"`{other_path}`. Write the column in one type."
    )


def _opened(paths: Sequence[str], schema: pa.Schema | None = None) -> Any:
    try:
        return arrow_dataset.dataset(list(paths), format="parquet", schema=schema)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(paths, error) from None


def _unreadable(paths: Sequence[str], error: Exception) -> ValueError:
    text = str(error).splitlines()[0][:300]
    return ValueError(f"`{paths[0]}`{' and its like' * (len(paths) > 1)} cannot be read: {text}")
