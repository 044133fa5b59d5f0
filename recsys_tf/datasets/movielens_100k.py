"""MovieLens 100K: 943 users, 1,682 films, 100,000 ratings of 1 to 5 stars, 1997-1998.

Source: Harper and Konstan, "The MovieLens Datasets: History and Context", TiiS 2015,
https://doi.org/10.1145/2827872. For research; it must not be passed on, hence the download.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_tf.datasets.download import DownloadError, RemoteFile, cache_folder, download
from recsys_tf.datasets.files import find_files, read_members
from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.movielens import (
    AGE_GROUPS,
    age_groups,
    as_films,
    assemble,
    movielens_schema,
)
from recsys_tf.datasets.reading import DataFile, Table, read_delimited
from recsys_tf.datasets.values import Column
from recsys_tf.datasets.wheels import download_wheel
from recsys_tf.schema import CategoricalFeature, NumericFeature, Schema

NAME = "ml-100k"
GROUPLENS_FILES = ("u.data", "u.item", "u.user")
RECBOLE_FILES = ("ml-100k.inter", "ml-100k.item", "ml-100k.user")

# Checksums as published by TensorFlow Datasets (url_checksums/movielens.txt).
ARCHIVE = RemoteFile(
    url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    name="ml-100k.zip",
    num_bytes=4_924_029,
    sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
)
# RecBole carries the data in its wheel, which a machine gets that reaches a package index alone.
WHEEL = RemoteFile(
    url="pip download --no-deps recbole==1.2.1",
    name="recbole-1.2.1-py3-none-any.whl",
    num_bytes=2_130_151,
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
)

GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip


def movielens_100k_schema() -> Schema:
    """Returns the schema of MovieLens 100K; the scenario is the user's age group.

    `zip_area` is the first character of the zip code, about a region of the country; the whole
    code is kept in the column `zip_code` of `users`, where nearly every user has another.
    """
    return movielens_schema(
        user_features=(
            NumericFeature(name="age", side="user", description="years"),
            CategoricalFeature(name="age_group", side="user", values=AGE_GROUPS),
            CategoricalFeature(name="gender", side="user"),
            CategoricalFeature(name="occupation", side="user"),
            CategoricalFeature(name="zip_area", side="user"),
        ),
        scenario="age_group",
    )


def load_movielens_100k(folder: str | Path | None = None) -> Interactions:
    """Reads MovieLens 100K from a folder, or fetches it.

    The order: `folder`; `$RECSYS_DATA_DIR`; the cache; GroupLens' address; the wheel of recbole
    1.2.1, which PyPI holds. Downloads are checked by size and SHA-256. Both published forms give
    equal frames.

    Args:
        folder: Holds `u.data`, `u.item`, `u.user`, or `ml-100k.inter`, `.item`, `.user`, or one of
            the archives `ml-100k.zip` and `recbole-1.2.1-py3-none-any.whl`.

    Returns:
        The data set, events in the order of the published file.

    Raises:
        FileNotFoundError: If `folder` is given and does not hold the files.
        DownloadError: If nothing was found and neither address can be reached.
        ValueError: If a file is not what it should be.
    """
    forms = (RECBOLE_FILES, GROUPLENS_FILES)
    files = find_files(NAME, forms, folder, archives=(ARCHIVE.name, WHEEL.name)) or _fetch()
    events, users, items = (
        _read_recbole(files) if RECBOLE_FILES[0] in files else _read_grouplens(files)
    )
    users.frame["age_group"] = age_groups(users.frame["age"].to_numpy())
    users.frame["zip_area"] = users.frame["zip_code"].str[:1].astype(object)
    return assemble(movielens_100k_schema(), events, users, items)


def _fetch() -> Mapping[str, DataFile]:
    folder = cache_folder() / NAME
    faults = []
    for names, fetch in (
        (GROUPLENS_FILES, lambda: download(ARCHIVE, folder)),
        (RECBOLE_FILES, lambda: download_wheel("recbole==1.2.1", WHEEL, folder)),
    ):
        try:
            found = read_members(fetch(), names)
        except DownloadError as error:
            faults.append(str(error))
            continue
        if found is not None:
            return found
    raise DownloadError(f"{NAME} was found nowhere. " + " ".join(faults))


def _read_events(file: DataFile, sources: tuple[str, str, str, str], has_header: bool) -> Table:
    user, item, rating, timestamp = sources
    columns = (
        Column(user, "user_id", "id"),
        Column(item, "item_id", "id"),
        Column(rating, "rating", "number", low=1, high=5, is_required=True),
        Column(timestamp, "timestamp", "timestamp"),
    )
    return read_delimited(file, columns, delimiter="\t", names=None if has_header else sources)


def _read_recbole(files: Mapping[str, DataFile]) -> tuple[Table, Table, Table]:
    events = _read_events(
        files["ml-100k.inter"],
        ("user_id:token", "item_id:token", "rating:float", "timestamp:float"),
        has_header=True,
    )
    user_columns = (
        Column("user_id:token", "user_id", "id"),
        Column("age:token", "age", "number", low=0, high=130),
        Column("gender:token", "gender"),
        Column("occupation:token", "occupation"),
        Column("zip_code:token", "zip_code"),
    )
    users = read_delimited(files["ml-100k.user"], user_columns, delimiter="\t")
    item_columns = (
        Column("item_id:token", "item_id", "id"),
        Column("movie_title:token_seq", "title"),
        Column("release_year:token", "release_year"),
        Column("class:token_seq", "genres", "list", separator=" "),
    )
    items = read_delimited(files["ml-100k.item"], item_columns, delimiter="\t")
    # Two films have "V" and "unkonwn" for a year: the title's own year serves, or none.
    years = pd.to_numeric(items.frame["release_year"], errors="coerce").astype(np.float64)
    items = replace(items, frame=items.frame.assign(release_year=years))
    return events, users, as_films(items)


def _read_grouplens(files: Mapping[str, DataFile]) -> tuple[Table, Table, Table]:
    events = _read_events(files["u.data"], ("user", "item", "rating", "time"), has_header=False)
    user_columns = (
        Column("user_id", "user_id", "id"),
        Column("age", "age", "number", low=0, high=130),
        Column("gender", "gender"),
        Column("occupation", "occupation"),
        Column("zip_code", "zip_code"),
    )
    user_names = [column.source for column in user_columns]
    users = read_delimited(files["u.user"], user_columns, delimiter="|", names=user_names)
    item_names = ("item_id", "title", "release_date", "video_date", "url", *GENRES)
    item_columns = (
        Column("item_id", "item_id", "id"),
        Column("title", "title"),
        *(Column(genre, genre, "number", low=0, high=1) for genre in GENRES),
    )
    items = read_delimited(
        files["u.item"], item_columns, delimiter="|", names=item_names, encoding="latin-1"
    )
    is_of_genre = items.frame[list(GENRES)].to_numpy() == 1
    genres = [[GENRES[column] for column in np.flatnonzero(row)] for row in is_of_genre]
    frame = items.frame[["item_id", "title"]].assign(
        genres=pd.Series(genres, index=items.frame.index, dtype=object)
    )
    return events, users, as_films(replace(items, frame=frame))
