"""Training rows in columns: lists are windows on one flat array, so histories cost O(events)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from recsys_tf.features.frames import FrameColumns
from recsys_tf.features.windows import history_windows
from recsys_tf.schema import Aligned, Schema
from recsys_tf.types import Array, IntArray


@dataclass(frozen=True, eq=False)
class ListColumn:
    """A list of values a row: row `i` holds `values[starts[i]:ends[i]]`.

    Windows may overlap, which is what makes the histories of a user's rows cheap.

    Attributes:
        values: `[M]`, all values on end.
        starts: int64 `[n]`, first position of each row.
        ends: int64 `[n]`, position after the last.

    Raises:
        ValueError: If `starts` and `ends` differ in length or leave `values`.

    Example:
        >>> column = ListColumn(np.array(["a", "b", "c"]), np.array([0, 0]), np.array([1, 3]))
        >>> column.row(1).tolist()
        ['a', 'b', 'c']
    """

    values: Array
    starts: IntArray
    ends: IntArray

    def __post_init__(self) -> None:
        """Checks that the windows lie on the values."""
        if self.starts.shape != self.ends.shape or self.starts.ndim != 1:
            raise ValueError(
                "`starts` and `ends` must be of rank 1 and of one length, received shapes "
                f"{self.starts.shape} and {self.ends.shape}."
            )
        if len(self.starts) and (
            self.starts.min() < 0
            or self.ends.max() > len(self.values)
            or bool((self.starts > self.ends).any())
        ):
            raise ValueError(
                f"`starts` and `ends` must satisfy 0 <= start <= end <= {len(self.values)}, the "
                f"length of `values`, received starts from {self.starts.min()} and ends to "
                f"{self.ends.max()}."
            )

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.starts)

    def row(self, index: int) -> Array:
        """Returns the values of one row."""
        return self.values[self.starts[index] : self.ends[index]]

    def take(self, rows: IntArray) -> ListColumn:
        """Returns the column of these rows; the values are shared, not copied."""
        return ListColumn(self.values, self.starts[rows], self.ends[rows])


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows in columns, by the names of the schema.

    Attributes:
        columns: One value a row: `[n]`, for ready-made embeddings `[n, size]`. Strings are of
            dtype object with `""` for missing, numbers float32 with NaN for missing.
        lists: A list of values a row.
        has_target: Whether a row's own event may stand in its history, which would tell the
            answer; True where that is not known. `make_examples` knows it.

    Raises:
        ValueError: If the columns differ in length or a name stands in both.
    """

    columns: Mapping[str, Array]
    lists: Mapping[str, ListColumn] = field(default_factory=dict)
    has_target: bool = True

    def __post_init__(self) -> None:
        """Checks that all columns are of one length."""
        lengths = {name: len(column) for name, column in self._all().items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"All columns must have as many rows, received {lengths}.")
        both = sorted(set(self.columns) & set(self.lists))
        if both:
            raise ValueError(f"A name may stand in `columns` or in `lists`, {both} stand in both.")

    def __len__(self) -> int:
        """Returns the number of rows."""
        return next((len(column) for column in self._all().values()), 0)

    def __repr__(self) -> str:
        """Says the size in one line."""
        return f"Examples({len(self):,} rows; {', '.join(self._all())})"

    def take(self, rows: IntArray) -> Examples:
        """Returns the examples of these rows, in their order."""
        return Examples(
            {name: column[rows] for name, column in self.columns.items()},
            {name: column.take(rows) for name, column in self.lists.items()},
            self.has_target,
        )

    def _all(self) -> dict[str, Any]:
        return {**self.columns, **self.lists}


def make_examples(
    schema: Schema,
    events: pd.DataFrame,
    users: pd.DataFrame,
    rows: IntArray,
    history: Literal["past", "others"] = "past",
    reference_rows: IntArray | None = None,
    values_column: str | None = None,
) -> Examples:
    """Joins events with their users and with each user's history.

    The history of a row comes from the user's events among `reference_rows`: with `past`, those
    strictly earlier in time, so that an event at the same second is left out; with `others`, all
    of them, whatever their time. If the row's own event is then among them, `make_dataset` and
    `write_examples` take the row's item out of its history. An item of the past that the row meets
    again stays. Oldest first, newest last.

    Args:
        schema: Features, tasks and column names.
        events: One row an event: user, item, timestamp, labels, context features.
        users: One row a user: id and user features.
        rows: Positions in `events` of the wanted rows.
        history: Which events a history holds.
        reference_rows: Positions in `events` that histories are built from; None for all. Give
            the training rows where the history must not hold held-out events.
        values_column: Column of `events` for the history's `values_name`; None takes the label of
            the first regression task without `from_features`.

    Returns:
        User id, item id, timestamp, user and context features, labels, sample weights and the
        history, `len(rows)` rows. Item features stand in `catalogue_examples`.

    Raises:
        ValueError: If a column is absent or of a wrong shape, or `users` has an id twice.
        TypeError: If a column is of a wrong type.
    """
    rows = np.asarray(rows, np.int64)
    of_event = FrameColumns(events.iloc[rows], "events")
    of_user = FrameColumns(users, "users")
    user_rows = of_user.positions(schema.user_id, of_event.strings(schema.user_id))
    columns: dict[str, Array] = {
        schema.user_id: of_event.strings(schema.user_id),
        schema.item_id: of_event.strings(schema.item_id),
        schema.timestamp: of_event.integers(schema.timestamp),
    }
    lists: dict[str, ListColumn] = {}
    for feature in schema.query_features:
        if feature.kind == "history":
            lists.update(_history(schema, events, rows, history, reference_rows, values_column))
        elif feature.name != schema.user_id:
            frame, positions = (
                (of_user, user_rows) if feature.side == "user" else (of_event, np.arange(len(rows)))
            )
            add_feature(feature, frame, positions, columns, lists)
    features = {each.name for each in schema.features}
    for task in schema.tasks:
        for name in (task.label, task.sample_weight):
            if name is not None and name not in features:
                columns[name] = of_event.floats(name)
    has_target = history == "others" and (
        reference_rows is None or bool(np.isin(rows, reference_rows).any())
    )
    return Examples(columns, lists, has_target)


def catalogue_examples(schema: Schema, items: pd.DataFrame) -> Examples:
    """Returns one row an item: its id and its features.

    Args:
        schema: Features and column names.
        items: One row an item; further columns are not read.

    Returns:
        `len(items)` rows in the order of `items`.

    Raises:
        ValueError: If a column is absent or of a wrong shape, or an id stands there twice.
        TypeError: If a column is of a wrong type.
    """
    frame = FrameColumns(items, "items")
    ids = frame.strings(schema.item_id)
    everyone = frame.positions(schema.item_id, ids)
    columns: dict[str, Array] = {schema.item_id: ids}
    lists: dict[str, ListColumn] = {}
    for feature in schema.candidate_features:
        if feature.name != schema.item_id:
            add_feature(feature, frame, everyone, columns, lists)
    return Examples(columns, lists)


def add_feature(
    feature: Any,
    frame: FrameColumns,
    positions: IntArray,
    columns: dict[str, Array],
    lists: dict[str, ListColumn],
) -> None:
    """Reads one feature's values into `columns` or `lists`.

    Args:
        feature: The feature.
        frame: Where its column stands.
        positions: int64 `[n]`, the wanted rows; -1 for one that the frame does not hold.
        columns: Takes one value a row.
        lists: Takes a list of values a row.
    """
    if feature.kind == "categorical" and feature.is_multivalent:
        values, splits = frame.string_lists(feature.name)
        # A row that the frame does not hold gets the empty window [0, 0).
        starts, ends = np.append(splits[:-1], 0), np.append(splits[1:], 0)
        lists[feature.name] = ListColumn(values, starts[positions], ends[positions])
    elif feature.kind == "embedding":
        columns[feature.name] = frame.vectors(feature.name, feature.size)[positions]
    elif feature.kind == "numeric":
        columns[feature.name] = np.append(frame.floats(feature.name), np.float32("nan"))[positions]
    else:
        columns[feature.name] = np.append(frame.strings(feature.name), "")[positions]


def _history(
    schema: Schema,
    events: pd.DataFrame,
    rows: IntArray,
    kind: Literal["past", "others"],
    reference_rows: IntArray | None,
    values_column: str | None,
) -> dict[str, ListColumn]:
    feature = schema.history
    assert feature is not None
    frame = FrameColumns(events, "events")
    reference = np.arange(len(events)) if reference_rows is None else np.asarray(reference_rows)
    order, starts, ends = history_windows(
        frame.strings(schema.user_id), frame.integers(schema.timestamp), rows, reference, kind
    )
    read: dict[Aligned, Callable[[], Array]] = {
        "values": lambda: frame.floats(values_column or _values_column(schema)),
        "actions": lambda: frame.names(str(feature.action_column)),
        "times": lambda: frame.integers(schema.timestamp),
    }
    columns = {feature.name: frame.strings(schema.item_id)}
    columns |= {name: read[told]() for told, name in feature.aligned.items()}
    return {name: ListColumn(each[order], starts, ends) for name, each in columns.items()}


def _values_column(schema: Schema) -> str:
    if schema.history_label is None:
        raise ValueError(
            "`values_column` must name the column of `events` that the history's values are taken "
            "from, since the schema has no regression task without `from_features` whose label "
            "could be meant."
        )
    return schema.history_label
