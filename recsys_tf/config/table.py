"""A run over rows of a table."""

from __future__ import annotations

from typing import Literal

from recsys_tf.schema import TableSchema
from recsys_tf.spec import Spec

OWN_FILES = ("csv", "parquet")
"""Data sets that are anybody's: of a table, the run tells what their columns mean."""


class TableConfig(Spec):
    """Which rows a `Ranker` judges, and what their columns mean.

    Attributes:
        features_and_tasks: What the columns of one's own files (`data.dataset` `parquet` or `csv`)
            mean; of a public table, what replaces its own schema, and None keeps that.
        test_rows: `drawn` draws `data.test_share` of the rows, `published` takes those that the
            publisher keeps for the test.
    """

    features_and_tasks: TableSchema | None = None
    test_rows: Literal["drawn", "published"] = "drawn"
