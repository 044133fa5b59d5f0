"""One's own table: rows of features and labels in a Parquet or CSV file, every row counted."""

from __future__ import annotations

from pathlib import Path

from recsys_tf.datasets.labelled_table import LabelledTable
from recsys_tf.datasets.parquet_frames import read_frame
from recsys_tf.datasets.reading import Table, read_delimited
from recsys_tf.datasets.schema_columns import feature_columns, label_columns
from recsys_tf.schema import TableSchema

_NAME = "rows"


def load_parquet_table(
    folder: str | Path | None = None, schema: TableSchema | None = None
) -> LabelledTable:
    """Reads a table from `rows.parquet` in a folder, or from all Parquet files of its `rows`.

    Only the columns that the schema names are read. A row is refused, counted and kept aside when a
    number is not finite or out of its task's range, a sample weight is missing or negative, or a
    vector has another length. A missing value stays missing.

    Args:
        folder: Where the files are.
        schema: Features and tasks.

    Returns:
        The rows in the order of the files.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If a file is no Parquet file, lacks a column or has no row that can be used, the
            files differ in a column's kind, or nothing tells the schema.
        TypeError: If a column is of a type that cannot be meant.
    """
    place, schema = _given(folder, schema)
    columns, vectors = feature_columns(schema.features)
    return _table(schema, read_frame(place, _NAME, {**columns, **label_columns(schema)}, vectors))


def load_csv_table(
    folder: str | Path | None = None, schema: TableSchema | None = None
) -> LabelledTable:
    """Reads a table from `rows.csv` in a folder, parted by commas, fields in quotes where needed.

    The first line names the columns; those that the schema does not name are not read. Lists are
    parted by `|`. Rows are refused as by `load_parquet_table`, and as `read_delimited` tells.

    Args:
        folder: Where the file is.
        schema: Features and tasks, none of them ready-made vectors, which Parquet holds.

    Returns:
        The rows in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it lacks a column or has no row that can be used, or nothing tells the
            schema.
    """
    place, schema = _given(folder, schema)
    columns, vectors = feature_columns(schema.features)
    if vectors:
        raise ValueError(
            f"`schema` must not name ready-made vectors for a CSV file, received "
            f"{', '.join(map(repr, vectors))}; write the table as {_NAME}.parquet."
        )
    path = place / f"{_NAME}.csv"
    columns |= label_columns(schema)
    if not path.is_file():
        raise FileNotFoundError(
            f"`folder` {str(place)!r} must hold {path.name} with {', '.join(columns)}; it does not."
        )
    return _table(schema, read_delimited(path, list(columns.values()), is_quoted=True))


def _given(folder: str | Path | None, schema: TableSchema | None) -> tuple[Path, TableSchema]:
    if folder is None:
        raise FileNotFoundError(
            f"`folder` must name the folder of {_NAME}.parquet or {_NAME}.csv (`data.folder` of a "
            "run), received None."
        )
    if schema is None:
        raise ValueError(
            "`schema` must tell what the columns mean (`table.features_and_tasks` of a run), "
            "received None."
        )
    return Path(folder).expanduser(), schema


def _table(schema: TableSchema, table: Table) -> LabelledTable:
    return LabelledTable(schema, table.frame.reset_index(drop=True), rejections=table.rejections)
