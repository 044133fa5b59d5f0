"""What the MovieLens data sets have in common: titles, age groups, the schema, the assembly."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.moments import MOMENT_FEATURES, add_moments
from recsys_tf.datasets.reading import Table
from recsys_tf.datasets.rejections import Rejections
from recsys_tf.schema import (
    CategoricalFeature,
    FeatureSpec,
    HistoryFeature,
    IdFeature,
    NumericFeature,
    ScenarioSpec,
    Schema,
    TaskSpec,
    TextFeature,
)
from recsys_tf.types import Array

# The age groups that the papers on multi-scenario models take for scenarios on ML-1M
# (Li et al., Scenario-Wise Rec, 2024, https://arxiv.org/abs/2412.17374).
AGE_GROUPS = ("under_25", "25_to_34", "35_and_over")

# GroupLens' ways to say that nothing is known of a film, "unkonwn" being RecBole's spelling.
NO_GENRES = frozenset({"unknown", "(no genres listed)"})
UNKNOWN_TITLES = frozenset({"unknown", "unkonwn"})

_YEAR_AT_END = re.compile(r"\s*\((\d{4})\)$")
# "(V)" marks a film that came out on video.
_VIDEO_AT_END = re.compile(r"\s*\(V\)$")


def split_title(title: str) -> tuple[str, float]:
    """Parts a title from the year in brackets at its end.

    Args:
        title: A title as GroupLens writes it.

    Returns:
        The title without year, and the year, NaN where there is none.

    Example:
        >>> split_title("Usual Suspects, The (1995)")
        ('Usual Suspects, The', 1995.0)
    """
    title = _VIDEO_AT_END.sub("", title.strip())
    found = _YEAR_AT_END.search(title)
    if found:
        return title[: found.start()], float(found.group(1))
    return ("", np.nan) if title in UNKNOWN_TITLES else (title, np.nan)


def with_title_and_year(items: pd.DataFrame) -> pd.DataFrame:
    """Replaces `title` by the title without its year and adds `release_year` (float, NaN).

    Where the frame has a `release_year` already, that one is kept unless it is missing.
    """
    parted = [split_title(title) for title in items["title"]]
    years = pd.Series([year for _, year in parted], index=items.index, dtype=np.float64)
    if "release_year" in items:
        years = items["release_year"].where(items["release_year"].notna(), years)
    titles = pd.Series([title for title, _ in parted], index=items.index, dtype=object)
    return items.assign(title=titles, release_year=years)


def without_missing_genres(genres: pd.Series) -> pd.Series:
    """Drops the names that stand for "no genre is known" and sorts the others of each film."""
    cleaned = [sorted(set(each) - NO_GENRES) for each in genres]
    return pd.Series(cleaned, index=genres.index, dtype=object)


def age_groups(ages: Array) -> Array:
    """Returns the group out of `AGE_GROUPS` of each age in years; `""` for a missing age."""
    groups = np.array(["", *AGE_GROUPS], dtype=object)
    number = 1 + (ages >= 25).astype(int) + (ages >= 35).astype(int)
    return groups[np.where(np.isnan(ages), 0, number)]


def movielens_schema(
    user_features: Sequence[FeatureSpec] = (),
    item_features: Sequence[FeatureSpec] = (),
    has_moments: bool = True,
    scenario: str | None = None,
    rating_range: tuple[float, float] = (1.0, 5.0),
) -> Schema:
    """Returns the schema of a MovieLens data set.

    The tasks: `watch` (which film; every row is a positive), `rating`, `like` (4 stars or more),
    and to train the encoders `genres_from_text` (genres from the title alone) and, where the
    moment is known, `daypart_of_user` (the part of the day at which this kind of user comes).

    Args:
        user_features: The user's features beside id and history.
        item_features: The item's features beside id, title, genres and year.
        has_moments: Whether timestamps are of a clock, so that hour and weekday mean something.
        scenario: The categorical feature that tells the scenario.
        rating_range: Lowest and highest rating.
    """
    features = (
        IdFeature(name="user_id", side="user"),
        HistoryFeature(
            name="history", side="user", of="item_id", max_length=100, values_name="history_rating"
        ),
        *user_features,
        *(MOMENT_FEATURES if has_moments else ()),
        IdFeature(name="item_id", side="item"),
        TextFeature(name="title", side="item", max_tokens=16),
        CategoricalFeature(name="genres", side="item", is_multivalent=True, max_values=8),
        NumericFeature(name="release_year", side="item"),
        *item_features,
    )
    tasks = [
        TaskSpec(name="watch", kind="retrieval"),
        TaskSpec(
            name="rating",
            kind="regression",
            label="rating",
            value_range=rating_range,
            loss_weight=0.3,
        ),
        TaskSpec(
            name="like", kind="binary", label="rating", positive_at_least=4.0, loss_weight=0.3
        ),
        TaskSpec(
            name="genres_from_text",
            kind="multilabel",
            label="genres",
            loss_weight=0.1,
            from_features=("title",),
        ),
    ]
    if has_moments:
        seen = ("history", *(feature.name for feature in user_features))
        tasks.append(
            TaskSpec(
                name="daypart_of_user",
                kind="multiclass",
                label="daypart",
                loss_weight=0.05,
                from_features=seen,
            )
        )
    return Schema(
        features=features,
        tasks=tuple(tasks),
        scenario=None if scenario is None else ScenarioSpec(feature=scenario),
    )


def assemble(
    schema: Schema,
    events: Table,
    users: Table | pd.DataFrame,
    items: Table,
    is_time_comparable: bool = True,
    rejections: Rejections | None = None,
) -> Interactions:
    """Joins the tables of one data set.

    Repeated events (same user, item and time), users and items are refused after the first. An
    event's user or item that has no row of its own gets one with missing features, so that no
    event is lost.

    Args:
        schema: The data set's schema.
        events: Table with `user_id`, `item_id`, `timestamp` and labels.
        users: Table, or a frame made of the events where nothing is known of users.
        items: Table with `item_id`, `title` and features.
        is_time_comparable: See `Interactions`.
        rejections: What was refused of further files.

    Returns:
        The data set; events in the order of their file.
    """
    events = events.reject_repeated(["user_id", "item_id", "timestamp"])
    items = items.reject_repeated(["item_id"])
    report = events.rejections + items.rejections
    if isinstance(users, Table):
        users = users.reject_repeated(["user_id"])
        report += users.rejections
        user_frame = users.frame
    else:
        user_frame = users
    report = report if rejections is None else report + rejections
    user_frame, report = _completed(user_frame, events.frame["user_id"], report)
    item_frame, report = _completed(items.frame, events.frame["item_id"], report)
    frame = events.frame.reset_index(drop=True)
    if any(feature.side == "context" for feature in schema.features):
        frame = add_moments(frame)
    return Interactions(
        schema, frame, user_frame, item_frame, report, is_time_comparable=is_time_comparable
    )


def _completed(
    frame: pd.DataFrame, ids: pd.Series, report: Rejections
) -> tuple[pd.DataFrame, Rejections]:
    key = str(ids.name)
    frame = frame.reset_index(drop=True)
    absent = pd.Index(ids.unique()).difference(pd.Index(frame[key]), sort=False)
    if not len(absent):
        return frame, report
    columns: dict[str, Array] = {}
    for name, column in frame.items():
        missing = np.empty(len(absent), dtype=column.to_numpy().dtype)
        if name == key:
            missing[:] = absent
        elif column.dtype == object:
            is_list = len(column) > 0 and isinstance(column.iloc[0], list)
            for row in range(len(absent)):
                missing[row] = [] if is_list else ""
        else:
            missing[:] = np.nan
        columns[str(name)] = missing
    added = pd.concat([frame, pd.DataFrame(columns)], ignore_index=True)
    note = (
        f"{len(absent):,} values of `{key}` in the events have no row of their own, for instance "
        f"{absent[0]!r}; their features are missing"
    )
    return added, report.with_note(note)
