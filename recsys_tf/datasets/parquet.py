"""One's own data: events, users and items in Parquet files, read in parallel, every row counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.joining import join_tables
from recsys_tf.datasets.parquet_files import column_names, find_files
from recsys_tf.datasets.parquet_frames import read_frame
from recsys_tf.datasets.reading import Table
from recsys_tf.datasets.schema_columns import feature_columns, label_columns
from recsys_tf.datasets.values import Column
from recsys_tf.schema import Schema
from recsys_tf.spec import Spec

DESCRIPTION = "dataset.yaml"
"""File beside the Parquet files that tells what their columns mean."""


class DataDescription(Spec):
    """What Parquet files do not tell of themselves.

    Attributes:
        features_and_tasks: The schema.
        title_column: Column of the items that people read; None takes `title` where there is one,
            and else the id.
        is_time_comparable: Whether timestamps of two users may be compared; see `Interactions`.
    """

    features_and_tasks: Schema
    title_column: str | None = None
    is_time_comparable: bool = True


def load_parquet(folder: str | Path | None = None, schema: Schema | None = None) -> Interactions:
    """Reads interactions from the Parquet files of a folder, as `recsys-tf data --out` writes them.

    `events.parquet`, `users.parquet` and `items.parquet`, or in the place of each a folder of that
    name with any number of `.parquet` files, read in the order of their names. Users or items
    without features need no file. Only the columns that the schema names are read, several at a
    time.

    A row is refused, counted and kept aside when its id is missing, empty or longer than 256
    characters, its time is missing, no date or in another unit than its column, a number is not
    finite or out of its task's range, a sample weight is missing or negative, or a vector has
    another length. Repeated events (same user, item and time), users and items are refused after
    the first. Users and items that only the events name get a row with missing features.

    Args:
        folder: Where the files are.
        schema: Features and tasks; None reads them from the folder's `dataset.yaml`, a
            `DataDescription`.

    Returns:
        The data set, events in the order of the files.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If a file is no Parquet file, lacks a column or has no row that can be used, the
            files of one frame differ in a column's kind, or nothing tells the schema.
        TypeError: If a column is of a type that cannot be meant, such as ids with a point.
    """
    if folder is None:
        raise FileNotFoundError(
            "`folder` must name the folder of the Parquet files (`data.folder` of a run), "
            "received None."
        )
    place = Path(folder).expanduser()
    described = _description(place, schema)
    schema = described.features_and_tasks
    events = read_frame(place, "events", *_event_columns(schema))
    return join_tables(
        schema,
        events,
        _side(place, "users", described, events.frame[schema.user_id]),
        _side(place, "items", described, events.frame[schema.item_id]),
        title_column=described.title_column or schema.item_id,
        is_time_comparable=described.is_time_comparable,
    )


def _side(
    place: Path, name: str, described: DataDescription, ids: pd.Series
) -> Table | pd.DataFrame:
    """Reads users or items; without features and without a file they are made of the events."""
    key, side = str(ids.name), {"users": "user", "items": "item"}[name]
    features = described.features_and_tasks.features
    columns, vectors = feature_columns(
        [each for each in features if each.side == side and each.name != key]
    )
    title = described.title_column
    if name == "items" and title is not None and title != key:
        columns.setdefault(title, Column(title, title))
    if not columns and not vectors and not find_files(place, name):
        return pd.DataFrame({key: ids.unique().astype(object)})
    return read_frame(place, name, {key: Column(key, key, "id"), **columns}, vectors)


def _description(place: Path, schema: Schema | None) -> DataDescription:
    """Returns what the folder's description tells, the schema of the caller before its own."""
    path = place / DESCRIPTION
    if path.is_file():
        told = DataDescription.from_yaml(path)
    elif schema is not None:
        told = DataDescription(features_and_tasks=schema)
    elif place.is_dir():
        raise ValueError(
            f"`schema` must tell what the columns mean: give the run a `features_and_tasks`, or "
            f"put a {DESCRIPTION} with that field into {place}."
        )
    else:
        raise FileNotFoundError(f"`folder` {str(place)!r}: there is no such folder.")
    title = told.title_column
    if title is None and "title" in column_names(find_files(place, "items")):
        title = "title"
    update: dict[str, Any] = {"title_column": title}
    if schema is not None:
        update["features_and_tasks"] = schema
    return told.model_copy(update=update)


def _event_columns(schema: Schema) -> tuple[dict[str, Column], dict[str, int]]:
    of_event, vectors = feature_columns(
        [each for each in schema.features if each.side == "context"]
    )
    action = None if schema.history is None else schema.history.action_column
    if action is not None:
        # A label or a feature of that name is read as what it is.
        of_event = {action: Column(action, action), **of_event}
    columns = {
        schema.user_id: Column(schema.user_id, schema.user_id, "id"),
        schema.item_id: Column(schema.item_id, schema.item_id, "id"),
        schema.timestamp: Column(schema.timestamp, schema.timestamp, "timestamp"),
    }
    return {**columns, **of_event, **label_columns(schema)}, vectors
