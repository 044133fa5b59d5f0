"""The Parquet files of one frame: found, checked one by one, and read as one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as arrow_dataset

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
        The rows in the order of the files.

    Raises:
        ValueError: If a file is no Parquet file or lacks a column.
    """
    opened = _opened(paths)
    try:
        for fragment in opened.get_fragments():
            _check_columns(fragment.path, fragment.physical_schema.names, wanted)
        return opened.to_table(columns=list(wanted))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(paths, error) from None


def _check_columns(path: str, names: Sequence[str], wanted: Sequence[str]) -> None:
    # Arrow takes the first file's schema for all, and reads nulls where a later one has no column.
    absent = [each for each in wanted if each not in names]
    if absent:
        raise ValueError(
            f"`{path}` lacks {len(absent)} of {len(wanted)} columns: "
            + " ".join(unknown_name_message("column", each, names) for each in absent)
        )


def _opened(paths: Sequence[str]) -> Any:
    try:
        return arrow_dataset.dataset(list(paths), format="parquet")
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(paths, error) from None


def _unreadable(paths: Sequence[str], error: Exception) -> ValueError:
    text = str(error).splitlines()[0][:300]
    return ValueError(f"`{paths[0]}`{' and its like' * (len(paths) > 1)} cannot be read: {text}")
