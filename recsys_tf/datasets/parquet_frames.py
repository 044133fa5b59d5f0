"""One frame out of Parquet files: its columns typed, every row kept or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from recsys_tf.datasets.arrow_values import convert_arrow, convert_vectors
from recsys_tf.datasets.parquet_files import find_files, read_columns
from recsys_tf.datasets.reading import Table, shown_rows, typed_table
from recsys_tf.datasets.rejections import Rejections
from recsys_tf.datasets.values import Column, Converted


def read_frame(
    place: Path, name: str, columns: Mapping[str, Column], vectors: Mapping[str, int]
) -> Table:
    """Reads `<name>.parquet`, or all files of the folder `<name>`.

    Args:
        place: Folder of the data set.
        name: Of the frame, such as `events`.
        columns: The wanted columns by name.
        vectors: Sizes of the columns of ready-made vectors, by name.

    Returns:
        The rows that can be used, and those that were refused.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a file is no Parquet file or lacks a column, or there is no row to use.
        TypeError: If a column is of a type that cannot be meant.
    """
    paths = find_files(place, name)
    if not paths:
        raise FileNotFoundError(
            f"`folder` {str(place)!r} must hold {name}.parquet, or a folder {name} of .parquet "
            f"files, with {', '.join([*columns, *vectors])}; it does not."
        )
    source = name if (place / name).is_dir() else f"{name}.parquet"
    arrow = read_columns(paths, [*columns, *vectors])
    if not len(arrow):
        raise ValueError(f"`{source}` has no row.")
    table = typed_table(
        source,
        _converted(arrow, columns, vectors, source),
        pd.RangeIndex(1, len(arrow) + 1, name="line"),
        Rejections({source: len(arrow)}),
        lambda rows: shown_rows(arrow.take(rows).to_pylist()),
    )
    if not len(table.frame):
        raise ValueError(f"No row of `{source}` could be used.\n{table.rejections.summary()}")
    return table


def _converted(
    arrow: pa.Table, columns: Mapping[str, Column], vectors: Mapping[str, int], source: str
) -> Iterable[tuple[str, Converted]]:
    for name in [*columns, *vectors]:
        try:
            if name in vectors:
                yield name, convert_vectors(arrow[name], name, vectors[name])
            else:
                yield name, convert_arrow(arrow[name], columns[name])
        except TypeError as error:
            raise TypeError(f"`{source}`: {error}") from None
