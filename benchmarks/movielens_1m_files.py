"""The rated pairs of MovieLens 1M and what is known of their users and films."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_tf.types import IntArray


def read_rated(folder: Path, labels: Sequence[str]) -> pd.DataFrame:
    """Reads `user`, `movie` and some of the labels of every rating, in the order of the file.

    Args:
        folder: Holds `ml1m_recovered.parquet`, put together from public pieces.
        labels: `ge4`, whether 4 or above was given, which is exact; `eq5`, which is missing in
            6,448 rows.
    """
    return pd.read_parquet(folder / "ml1m_recovered.parquet", columns=["user", "movie", *labels])


def features_of(folder: Path, pairs: IntArray) -> pd.DataFrame:
    """Joins users and films to pairs of them.

    Args:
        folder: Holds GroupLens' `users.dat` and `movies.dat`.
        pairs: int `[n, 2]`, users and films.

    Returns:
        `user`, `gender`, `age`, `occupation`, `zip_code`, `film` and `first_genre` of each pair,
        all as text.

    Raises:
        ValueError: If a user or film of the pairs is not described.
    """
    users = _read_dat(folder / "users.dat", ("user", "gender", "age", "occupation", "zip_code"))
    films = _read_dat(folder / "movies.dat", ("film", "title", "genres"))
    films["first_genre"] = films["genres"].str.split("|").str[0]
    of_users = _rows_of(users, "user", pairs[:, 0])
    of_films = _rows_of(films[["film", "first_genre"]], "film", pairs[:, 1])
    return pd.concat([of_users, of_films], axis=1)


def _read_dat(path: Path, names: Sequence[str]) -> pd.DataFrame:
    """Reads one of GroupLens' files of `::`, every column as text."""
    lines = path.read_text(encoding="latin-1").splitlines()
    return pd.DataFrame([line.split("::") for line in lines], columns=list(names), dtype=object)


def _rows_of(frame: pd.DataFrame, key: str, wanted: IntArray) -> pd.DataFrame:
    places = pd.Index(frame[key].astype(np.int64)).get_indexer(wanted)
    if (places < 0).any():
        raise ValueError(f"`{key}` {wanted[np.argmax(places < 0)]} is rated, and not described.")
    return frame.iloc[places].reset_index(drop=True)
