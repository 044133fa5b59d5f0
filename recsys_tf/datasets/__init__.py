"""Public data sets, one's own, generated data with a planted answer, and splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsys_tf.config import RunConfig
from recsys_tf.config.table import OWN_FILES
from recsys_tf.datasets.adult import load_adult
from recsys_tf.datasets.attainable import attainable
from recsys_tf.datasets.census_income import load_census_income
from recsys_tf.datasets.digest import interactions_digest, table_digest
from recsys_tf.datasets.download import DownloadError, cache_folder
from recsys_tf.datasets.interaction_matrix import interaction_matrix
from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.labelled_table import LabelledTable, as_table, split_table
from recsys_tf.datasets.leaks import check_no_leak
from recsys_tf.datasets.movielens_1m import load_movielens_1m
from recsys_tf.datasets.movielens_100k import load_movielens_100k
from recsys_tf.datasets.movielens_latest_small import load_movielens_latest_small
from recsys_tf.datasets.own_tables import load_csv_table, load_parquet_table
from recsys_tf.datasets.parquet import DataDescription, load_parquet
from recsys_tf.datasets.planted import PlantedTruth
from recsys_tf.datasets.reading import DataFile, Table, read_delimited
from recsys_tf.datasets.rejections import Rejections
from recsys_tf.datasets.splits import (
    Split,
    make_split,
    split_by_time,
    split_last_out,
    split_random,
)
from recsys_tf.datasets.synthetic import SyntheticInteractions, load_synthetic
from recsys_tf.datasets.values import Column
from recsys_tf.naming import look_up

__all__ = [
    "DATASETS",
    "TABLES",
    "Column",
    "DataDescription",
    "DataFile",
    "DownloadError",
    "Interactions",
    "LabelledTable",
    "PlantedTruth",
    "Rejections",
    "Split",
    "SyntheticInteractions",
    "Table",
    "as_table",
    "attainable",
    "cache_folder",
    "check_no_leak",
    "interaction_matrix",
    "interactions_digest",
    "load_adult",
    "load_census_income",
    "load_configured",
    "load_configured_table",
    "load_csv_table",
    "load_dataset",
    "load_movielens_1m",
    "load_movielens_100k",
    "load_movielens_latest_small",
    "load_parquet",
    "load_parquet_table",
    "load_synthetic",
    "make_split",
    "read_delimited",
    "split_by_time",
    "split_last_out",
    "split_random",
    "split_table",
    "table_digest",
]

DATASETS: dict[str, Callable[..., Interactions]] = {
    "ml-100k": load_movielens_100k,
    "ml-1m": load_movielens_1m,
    "ml-latest-small": load_movielens_latest_small,
    "parquet": load_parquet,
    "synthetic": load_synthetic,
}
"""Loaders by the name of the data set."""

WITHOUT_SCHEMA = ("parquet",)
"""Data sets that are anybody's: what their columns mean is told by the run, or beside them."""


TABLES: dict[str, Callable[..., LabelledTable]] = {
    "adult": load_adult,
    "census-income": load_census_income,
    "csv": load_csv_table,
    "parquet": load_parquet_table,
}
"""Loaders of tables by the name of the data set, for runs with a `table`."""


def load_dataset(name: str, folder: str | Path | None = None, **options: Any) -> Interactions:
    """Reads, fetches or generates a data set.

    Args:
        name: A key of `DATASETS`.
        folder: Where its files lie; None looks in `$RECSYS_DATA_DIR`, then in the cache, then
            downloads.
        **options: Passed on to the loader, such as `num_users` of `synthetic`.

    Returns:
        The data set.

    Raises:
        ValueError: If the name is not known (the text gives the nearest), or the files are not
            what they should be.
        FileNotFoundError: If `folder` is given and does not hold the files.
        DownloadError: If they have to be fetched and cannot.
    """
    return look_up(DATASETS, name, "dataset")(folder=folder, **options)


def load_configured(config: RunConfig) -> Interactions:
    """Loads the data set that a run names; `load_dataset` tells the errors.

    Args:
        config: Its `data` is read, and its `features_and_tasks` where the data set's columns have
            no meaning of their own.

    Returns:
        The data set.
    """
    data = config.data
    options = {"schema": config.features_and_tasks} if data.dataset in WITHOUT_SCHEMA else {}
    return load_dataset(data.dataset, data.folder, **options)


def load_configured_table(config: RunConfig) -> LabelledTable:
    """Loads the table that a run names.

    Args:
        config: Its `data` is read, and the `features_and_tasks` of its `table`.

    Returns:
        The data set.

    Raises:
        ValueError: If the name is no key of `TABLES` (the text gives the nearest), or the files are
            not what they should be.
        FileNotFoundError: If the files are not there.
    """
    data = config.data
    schema = None if config.table is None else config.table.features_and_tasks
    load = look_up(TABLES, data.dataset, "dataset")
    if data.dataset in OWN_FILES:
        return load(data.folder, schema)
    table = load(data.folder)
    return table if schema is None else replace(table, schema=schema)
