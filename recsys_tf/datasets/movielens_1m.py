"""MovieLens 1M: 6,040 users, 3,883 films, 1,000,209 ratings of 1 to 5 stars, 2000-2003.

Source: Harper and Konstan, "The MovieLens Datasets: History and Context", TiiS 2015,
https://doi.org/10.1145/2827872. For research; it must not be passed on, hence the download.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_tf.datasets.download import RemoteFile, cache_folder, download
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
from recsys_tf.datasets.rejections import Rejections
from recsys_tf.datasets.values import Column
from recsys_tf.schema import CategoricalFeature, Schema
from recsys_tf.types import Array

NAME = "ml-1m"
GROUPLENS_FILES = ("ratings.dat", "movies.dat", "users.dat")
RECOVERED_FILES = ("ml1m_recovered.parquet", "movies.dat", "users.dat")

# Size and checksum as published by TensorFlow Datasets (url_checksums/movielens.txt).
ARCHIVE = RemoteFile(
    url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
    name="ml-1m.zip",
    num_bytes=5_917_549,
    sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
)

# The published codes, each the youngest age of its bucket; 1 stands for "under 18".
AGES = ("1", "18", "25", "35", "45", "50", "56")

OCCUPATIONS = (
    "other", "academic or educator", "artist", "clerical or admin", "college or grad student",
    "customer service", "doctor or health care", "executive or managerial", "farmer", "homemaker",
    "K-12 student", "lawyer", "programmer", "retired", "sales or marketing", "scientist",
    "self-employed", "technician or engineer", "tradesman or craftsman", "unemployed", "writer",
)  # fmt: skip


def movielens_1m_schema(has_moments: bool = True) -> Schema:
    """Returns the schema of MovieLens 1M; the scenario is the user's age group.

    Args:
        has_moments: False for the recovered form, whose timestamps are of no clock.
    """
    return movielens_schema(
        user_features=(
            CategoricalFeature(
                name="age", side="user", values=AGES, description="youngest age of the bucket"
            ),
            CategoricalFeature(name="age_group", side="user", values=AGE_GROUPS),
            CategoricalFeature(name="gender", side="user"),
            CategoricalFeature(name="occupation", side="user", values=OCCUPATIONS),
            CategoricalFeature(name="zip_area", side="user"),
        ),
        has_moments=has_moments,
        scenario="age_group",
    )


def load_movielens_1m(folder: str | Path | None = None) -> Interactions:
    """Reads MovieLens 1M from a folder, or fetches it from GroupLens.

    Two forms are read: GroupLens' own, and a recovered one that was put together from public
    pieces (`ml1m_recovered.parquet`), for machines that cannot reach GroupLens. The recovered
    form's labels and time, column by column of `events`:

    - `rating`: 5, 4, 3 as given; 2 stands for 1 or 2 stars, so that an RMSE on it is not that of
      the papers. `like` (4 or more) is exact.
    - `ge4` exact, `ge3` nearly so, `eq5` with NaN for 6,448 rows: 0 or 1.
    - `timestamp`: 1 + the event's rank within its user, 0 where it is not known (598 rows). No
      two users' times can be compared, and the schema has no hour or weekday.
    - `is_ncf_test`: whether the row is in the test part of He et al. (NCF, 2017).

    Args:
        folder: Holds `movies.dat`, `users.dat` and either `ratings.dat` or
            `ml1m_recovered.parquet`; or `ml-1m.zip`.

    Returns:
        The data set, events in the order of the file.

    Raises:
        FileNotFoundError: If `folder` is given and does not hold the files.
        DownloadError: If nothing was found and the address cannot be reached.
        ImportError: If the recovered form is read without pyarrow.
        ValueError: If a file is not what it should be.
    """
    forms = (GROUPLENS_FILES, RECOVERED_FILES)
    files = find_files(NAME, forms, folder, archives=(ARCHIVE.name,))
    files = files or read_members(download(ARCHIVE, cache_folder() / NAME), GROUPLENS_FILES)
    if files is None:
        raise ValueError(f"`{ARCHIVE.name}` does not hold {', '.join(GROUPLENS_FILES)}.")
    is_recovered = RECOVERED_FILES[0] in files
    events = _read_recovered(files[RECOVERED_FILES[0]]) if is_recovered else _read_ratings(files)
    users, items = _read_users(files["users.dat"]), _read_movies(files["movies.dat"])
    schema = movielens_1m_schema(has_moments=not is_recovered)
    return assemble(schema, events, users, items, is_time_comparable=not is_recovered)


def _read_ratings(files: Mapping[str, DataFile]) -> Table:
    columns = (
        Column("user", "user_id", "id"),
        Column("movie", "item_id", "id"),
        Column("rating", "rating", "number", low=1, high=5, is_required=True),
        Column("time", "timestamp", "timestamp"),
    )
    names = [column.source for column in columns]
    return read_delimited(files["ratings.dat"], columns, delimiter="::", names=names)


def _read_recovered(file: DataFile) -> Table:
    pieces = pd.read_parquet(io.BytesIO(file.content))
    wanted = ["user", "movie", "rating_bucket", "ge3", "ge4", "eq5", "time_rank", "ncf_test"]
    absent = sorted(set(wanted) - set(pieces.columns))
    if absent:
        raise ValueError(f"`{file.name}` lacks the columns {', '.join(absent)}.")
    frame = pd.DataFrame(
        {
            "user_id": _as_strings(pieces["user"]),
            "item_id": _as_strings(pieces["movie"]),
            "rating": pieces["rating_bucket"].to_numpy(dtype=np.float64),
            "timestamp": pieces["time_rank"].to_numpy(dtype=np.int64) + 1,
            **{
                name: pieces[name].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
                for name in ("ge3", "ge4", "eq5")
            },
            "is_ncf_test": pieces["ncf_test"].to_numpy(dtype=bool),
        },
        index=pd.RangeIndex(1, len(pieces) + 1, name="line"),
    )
    note = f"{file.name}: timestamps are ranks within each user, ratings of 1 are counted as 2"
    return Table(frame, Rejections({file.name: len(frame)}, notes=(note,)), file.name)


def _as_strings(ids: pd.Series) -> Array:
    codes, distinct = pd.factorize(ids)
    return np.array([str(each) for each in distinct], dtype=object)[codes]


def _read_users(file: DataFile) -> Table:
    columns = (
        Column("user", "user_id", "id"),
        Column("gender", "gender"),
        Column("age", "age"),
        Column("occupation", "occupation", "number", low=0, high=len(OCCUPATIONS) - 1),
        Column("zip", "zip_code"),
    )
    names = [column.source for column in columns]
    table = read_delimited(file, columns, delimiter="::", names=names)
    frame = table.frame
    codes = np.nan_to_num(frame["occupation"].to_numpy(), nan=-1).astype(np.int64)
    ages = pd.to_numeric(frame["age"], errors="coerce").to_numpy(dtype=np.float64)
    frame = frame.assign(
        # Position -1 is the last one: the missing occupation.
        occupation=np.array([*OCCUPATIONS, ""], dtype=object)[codes],
        age_group=age_groups(ages),
        zip_area=frame["zip_code"].str[:1].astype(object),
    )
    return Table(frame, table.rejections, table.source)


def _read_movies(file: DataFile) -> Table:
    columns = (
        Column("movie", "item_id", "id"),
        Column("title", "title"),
        Column("genres", "genres", "list"),
    )
    names = [column.source for column in columns]
    return as_films(read_delimited(file, columns, delimiter="::", names=names, encoding="latin-1"))
