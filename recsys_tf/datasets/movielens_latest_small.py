"""MovieLens latest-small: 610 users, 9,742 films, 100,836 ratings of 0.5 to 5 stars, with tags.

Source: Harper and Konstan, "The MovieLens Datasets: History and Context", TiiS 2015,
https://doi.org/10.1145/2827872. GroupLens replaces it from time to time: not for benchmarks.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from recsys_tf.datasets.download import RemoteFile, cache_folder, download
from recsys_tf.datasets.files import find_files, read_members
from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.movielens import as_films, assemble, movielens_schema
from recsys_tf.datasets.reading import DataFile, Table, read_delimited
from recsys_tf.datasets.values import Column
from recsys_tf.schema import TextFeature

RATING_RANGE = (0.5, 5.0)
"""Lowest and highest rating, in stars."""

NAME = "ml-latest-small"
FILES = ("ratings.csv", "movies.csv", "tags.csv")

# Size and checksum as published by TensorFlow Datasets (url_checksums/movielens.txt).
ARCHIVE = RemoteFile(
    url="https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
    name="ml-latest-small.zip",
    num_bytes=978_202,
    sha256="696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
)


def load_movielens_latest_small(
    folder: str | Path | None = None, tags_until: int | None = None
) -> Interactions:
    """Reads MovieLens latest-small from a folder, or fetches it from GroupLens.

    Nothing is known of the users but what they rated and which tags they wrote.

    Args:
        folder: Holds `ratings.csv`, `movies.csv` and `tags.csv`, or `ml-latest-small.zip`.
        tags_until: Last second (UTC) of the tags that become the items' text feature `tags`; give
            the last second of the training rows, for a later tag tells of the future. None reads
            no tags.

    Returns:
        The data set, events in the order of the published file (by user).

    Raises:
        FileNotFoundError: If `folder` is given and does not hold the files.
        DownloadError: If nothing was found and the address cannot be reached.
        ValueError: If a file is not what it should be.
    """
    files = find_files(NAME, (FILES,), folder, archives=(ARCHIVE.name,))
    files = files or read_members(download(ARCHIVE, cache_folder() / NAME), FILES)
    if files is None:
        raise ValueError(f"`{ARCHIVE.name}` does not hold {', '.join(FILES)}.")
    events = read_delimited(
        files["ratings.csv"],
        (
            Column("userId", "user_id", "id"),
            Column("movieId", "item_id", "id"),
            Column(
                "rating",
                "rating",
                "number",
                low=RATING_RANGE[0],
                high=RATING_RANGE[1],
                is_required=True,
            ),
            Column("timestamp", "timestamp", "timestamp"),
        ),
    )
    items = read_delimited(
        files["movies.csv"],
        (
            Column("movieId", "item_id", "id"),
            Column("title", "title"),
            Column("genres", "genres", "list"),
        ),
        is_quoted=True,
    )
    items = as_films(items)
    users = pd.DataFrame({"user_id": events.frame["user_id"].unique().astype(object)})
    if tags_until is None:
        return assemble(movielens_schema(rating_range=RATING_RANGE), events, users, items)
    tags = _read_tags(files["tags.csv"])
    joined = _joined_tags(tags.frame, items.frame["item_id"], tags_until)
    items = replace(items, frame=items.frame.assign(tags=joined))
    schema = movielens_schema(
        rating_range=RATING_RANGE,
        item_features=(TextFeature(name="tags", side="item", max_tokens=32),),
    )
    return assemble(schema, events, users, items, rejections=tags.rejections)


def _read_tags(file: DataFile) -> Table:
    columns = (
        Column("userId", "user_id", "id"),
        Column("movieId", "item_id", "id"),
        Column("tag", "tag"),
        Column("timestamp", "timestamp", "timestamp"),
    )
    return read_delimited(file, columns, is_quoted=True)


def _joined_tags(tags: pd.DataFrame, item_ids: pd.Series, until: int) -> pd.Series:
    """Joins each item's distinct tags in the order of their first use; `""` for none."""
    early = tags[tags["timestamp"] <= until].sort_values("timestamp", kind="stable")
    early = early.assign(tag=early["tag"].str.lower()).drop_duplicates(["item_id", "tag"])
    joined = early.groupby("item_id", sort=False)["tag"].agg(", ".join)
    return item_ids.map(joined).astype(object).where(item_ids.isin(joined.index), "")
