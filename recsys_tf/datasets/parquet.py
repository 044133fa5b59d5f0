"""One's own data: events, users and items in Parquet files, read in parallel, every row counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys_tf.datasets.arrow_values import convert_arrow, convert_vectors
from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.joining import join_tables
from recsys_tf.datasets.parquet_files import column_names, find_files, read_columns
from recsys_tf.datasets.reading import Table, shown_rows, typed_table
from recsys_tf.datasets.rejections import Rejections
from recsys_tf.datasets.values import Column, Converted
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
    events = _read(place, "events", *_event_columns(schema))
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
    columns, vectors = _columns(
        [each for each in features if each.side == side and each.name != key]
    )
    title = described.title_column
    if name == "items" and title is not None and title != key:
        columns.setdefault(title, Column(title, title))
    if not columns and not vectors and not find_files(place, name):
        return pd.DataFrame({key: ids.unique().astype(object)})
    return _read(place, name, {key: Column(key, key, "id"), **columns}, vectors)


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
    of_event, vectors = _columns([each for each in schema.features if each.side == "context"])
    columns = {
        schema.user_id: Column(schema.user_id, schema.user_id, "id"),
        schema.item_id: Column(schema.item_id, schema.item_id, "id"),
        schema.timestamp: Column(schema.timestamp, schema.timestamp, "timestamp"),
    }
    columns.update(of_event)
    features = {each.name for each in schema.features}
    for task in schema.tasks:
        if task.label is not None and task.label not in features:
            low, high = task.value_range or (-np.inf, np.inf)
            before = columns.get(task.label, Column(task.label, task.label, "number"))
            columns[task.label] = Column(
                task.label, task.label, "number", max(low, before.low), min(high, before.high)
            )
    for task in schema.tasks:
        name = task.sample_weight
        if name is not None and name not in features:
            columns[name] = Column(name, name, "number", low=0, is_required=True)
    return columns, vectors


def _columns(features: Sequence[Any]) -> tuple[dict[str, Column], dict[str, int]]:
    """Returns the columns of features, and the sizes of those that are ready-made vectors."""
    columns: dict[str, Column] = {}
    vectors: dict[str, int] = {}
    for feature in features:
        if feature.kind == "history":
            continue  # It is made of the events.
        if feature.kind == "embedding":
            vectors[feature.name] = feature.size
        elif feature.kind == "numeric":
            columns[feature.name] = Column(feature.name, feature.name, "number")
        else:
            is_list = getattr(feature, "is_multivalent", False)
            columns[feature.name] = Column(
                feature.name, feature.name, "list" if is_list else "text"
            )
    return columns, vectors


def _read(
    place: Path, name: str, columns: Mapping[str, Column], vectors: Mapping[str, int]
) -> Table:
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
