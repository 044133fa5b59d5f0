"""What the MovieLens data sets have in common: titles, age groups, the schema, the assembly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.joining import join_tables
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


def _with_title_and_year(items: pd.DataFrame) -> pd.DataFrame:
    """Replaces `title` by the title without its year and adds `release_year` (float, NaN).

    Where the frame has a `release_year` already, that one is kept unless it is missing.
    """
    parted = [split_title(title) for title in items["title"]]
    years = pd.Series([year for _, year in parted], index=items.index, dtype=np.float64)
    if "release_year" in items:
        years = items["release_year"].where(items["release_year"].notna(), years)
    titles = pd.Series([title for title, _ in parted], index=items.index, dtype=object)
    return items.assign(title=titles, release_year=years)


def _without_missing_genres(genres: pd.Series) -> pd.Series:
    """Drops the names that stand for "no genre is known" and sorts the others of each film."""
    cleaned = [sorted(set(each) - NO_GENRES) for each in genres]
    return pd.Series(cleaned, index=genres.index, dtype=object)


def as_films(items: Table) -> Table:
    """Brings the films of every edition into one form: titles without years, genres that are some.

    Args:
        items: With `item_id`, `title`, `genres`, and where it is told `release_year`.

    Returns:
        The films with these four columns, the year NaN where it is missing.
    """
    frame = _with_title_and_year(items.frame)
    frame["genres"] = _without_missing_genres(frame["genres"])
    return replace(items, frame=frame[["item_id", "title", "release_year", "genres"]])


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
    """Joins the tables of one data set, with the moments of its events; see `join_tables`."""
    has_moments = any(feature.side == "context" for feature in schema.features)
    return join_tables(
        schema,
        events,
        users,
        items,
        is_time_comparable=is_time_comparable,
        rejections=rejections,
        of_events=add_moments if has_moments else None,
    )
