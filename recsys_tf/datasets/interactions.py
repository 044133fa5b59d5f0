"""What every data set becomes: events, users and items in the names of one schema."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from recsys_tf.datasets.rejections import Rejections
from recsys_tf.datasets.values import MAX_SECONDS, TIME_UNITS, seconds_of_dates
from recsys_tf.schema import Schema


@dataclass(frozen=True, eq=False)
class Interactions:
    """A data set that is ready for splitting and training.

    Ids are strings, `timestamp` is whole seconds since 1970 (UTC), a missing string is `""`, a
    missing number is NaN, a multivalent value is a list of strings. Frames may hold columns that
    the schema does not read.

    Attributes:
        schema: Features, tasks and scenarios; `schema.user_id` and so on name the columns.
        events: One row an event: user, item, timestamp, labels, context features.
        users: One row a user: id and features.
        items: One row an item: id, features and the title for display.
        rejections: What was not used, and why.
        title_column: Column of `items` that people read.
        is_time_comparable: Whether timestamps of two users may be compared. False where only the
            order within a user is known; a split by time then has no meaning, nor has the time
            between two events.

    Raises:
        ValueError: If a column is absent, an id is not unique in `users` or `items`, an event names
            a user or item that they do not hold, or the timestamps are no whole numbers or, where
            they may be compared, not of 1970 to 2100; the text lists every fault.
    """

    schema: Schema
    events: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame
    rejections: Rejections = field(default_factory=Rejections)
    title_column: str = "title"
    is_time_comparable: bool = True

    def __post_init__(self) -> None:
        """Cross-checks the frames with the schema."""
        faults = [*_column_faults(self)]
        faults = faults or [*_key_faults(self), *_time_faults(self)]
        if faults:
            raise ValueError(
                f"The interactions have {len(faults)} fault{'s' * (len(faults) > 1)}:\n  "
                + "\n  ".join(faults)
            )

    def __len__(self) -> int:
        """Returns the number of events."""
        return len(self.events)

    def __repr__(self) -> str:
        """Says the sizes in one line."""
        return (
            f"Interactions({len(self.events):,} events of {len(self.users):,} users and "
            f"{len(self.items):,} items; tasks: {', '.join(t.name for t in self.schema.tasks)})"
        )

    def summary(self) -> str:
        """Returns in words what the data set holds and what was rejected."""
        pairs = len(self.users) * len(self.items)
        density = len(self.events) / pairs if pairs else 0.0
        lines = [
            f"{len(self.events):,} events of {len(self.users):,} users and {len(self.items):,} "
            f"items ({density:.2%} of all pairs)",
            self._period(),
            "features: " + ", ".join(f"{f.name} ({f.kind})" for f in self.schema.features),
            "tasks: " + ", ".join(f"{t.name} ({t.kind})" for t in self.schema.tasks),
        ]
        if self.schema.scenario is not None:
            lines.append(f"scenario: {self.schema.scenario.feature}")
        return "\n".join(line for line in [*lines, self.rejections.summary()] if line)

    def _period(self) -> str:
        if not self.is_time_comparable:
            return "time: only the order within each user is known"
        stamps = self.events[self.schema.timestamp]
        if not len(stamps):
            return ""
        first, last = (pd.Timestamp(int(t), unit="s") for t in (stamps.min(), stamps.max()))
        return f"time: {first:%Y-%m-%d} to {last:%Y-%m-%d} (UTC)"


def _column_faults(data: Interactions) -> list[str]:
    schema = data.schema
    wanted = {
        "events": [schema.user_id, schema.item_id, schema.timestamp],
        "users": [schema.user_id],
        "items": [schema.item_id, data.title_column],
    }
    frame_of_side = {"context": "events", "user": "users", "item": "items"}
    features = {each.name for each in schema.features}
    for feature in schema.features:
        # A history is not a column: it is made of the user's events.
        if feature.kind != "history":
            wanted[frame_of_side[feature.side]].append(feature.name)
        elif feature.action_column is not None:
            wanted["events"].append(feature.action_column)
    for task in schema.tasks:
        wanted["events"] += [
            name for name in (task.label, task.sample_weight) if name and name not in features
        ]
    faults = []
    for frame_name, columns in wanted.items():
        absent = sorted(set(columns) - set(getattr(data, frame_name).columns))
        if absent:
            faults.append(
                f"{frame_name}: lacks the column{'s' * (len(absent) > 1)} {', '.join(absent)}; "
                f"it has {', '.join(map(str, getattr(data, frame_name).columns))}"
            )
    return faults


def _key_faults(data: Interactions) -> list[str]:
    faults = []
    for frame_name, key in (("users", data.schema.user_id), ("items", data.schema.item_id)):
        ids = getattr(data, frame_name)[key]
        if not ids.is_unique:
            first = ids[ids.duplicated()].iloc[0]
            faults.append(f"{frame_name}: `{key}` must be unique, {first!r} stands there twice")
        unknown = pd.Index(data.events[key].unique()).difference(pd.Index(ids))
        if len(unknown):
            faults.append(
                f"events: {len(unknown):,} values of `{key}` are not in {frame_name}, for "
                f"instance {unknown[0]!r}; add a row for each, or leave those events out"
            )
    return faults


def _time_faults(data: Interactions) -> list[str]:
    stamps = data.events[data.schema.timestamp]
    if not len(stamps):
        return []
    meaning = "seconds since 1970 (UTC)" if data.is_time_comparable else "numbers in order of time"
    rule = f"events: `{stamps.name}` must be whole {meaning}, none missing"
    if not pd.api.types.is_integer_dtype(stamps) or stamps.isna().any():
        return [
            f"{rule}, received {stamps.dtype} with {stamps.isna().sum():,} missing; "
            + _way_to_seconds(stamps)
        ]
    first, last = int(stamps.min()), int(stamps.max())
    if not data.is_time_comparable or 0 <= first <= last <= MAX_SECONDS:
        return []
    for unit, bound, factor in TIME_UNITS:
        if last >= bound:
            way_out = f"they look like {unit}: divide them by {factor:,.0f} (`//`)"
            break
    else:
        way_out = "leave those events out, or set `is_time_comparable=False` where they are ranks"
    return [f"{rule}, from 0 to {MAX_SECONDS}, received {first} to {last}; {way_out}"]


def _way_to_seconds(stamps: pd.Series) -> str:
    if pd.api.types.is_datetime64_any_dtype(stamps):
        return (
            "leave the events without a time out, and convert the others by "
            f"`{seconds_of_dates(stamps)}`"
        )
    return "leave the events without a time out, and give the others' seconds as int64"
