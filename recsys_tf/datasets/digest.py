"""A digest of a data set, by which a run tells whether its data are the ones it was made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from recsys_tf.datasets.interactions import Interactions
from recsys_tf.datasets.labelled_table import LabelledTable
from recsys_tf.schema import FeaturesAndTasks
from recsys_tf.types import Array

_BLOCK = 4096  # Rows made into text at once, so that a long column is never in memory twice.


def interactions_digest(interactions: Interactions) -> str:
    """Returns the SHA-256 of a data set: what its columns mean, and every value of its frames.

    The order of the rows counts, as splits and batches depend on it. The order of the columns, the
    frames' indexes and the rejections do not.

    Args:
        interactions: The data set.

    Returns:
        64 hexadecimal digits.
    """
    data = interactions
    frames = {"events": data.events, "users": data.users, "items": data.items}
    return _digest(data.schema, [data.title_column, data.is_time_comparable], frames)


def table_digest(table: LabelledTable) -> str:
    """Returns the SHA-256 of a table: what its columns mean, and every value, as of interactions.

    Args:
        table: The data set; which rows are published for the test counts too.

    Returns:
        64 hexadecimal digits.
    """
    published = table.published_test_rows
    told = [None if published is None else published.tolist()]
    return _digest(table.schema, told, {"rows": table.rows})


def _digest(schema: FeaturesAndTasks, more: list[Any], frames: Mapping[str, pd.DataFrame]) -> str:
    # Without what has its default, so that a field that a later version adds changes nothing.
    told = schema.model_dump(mode="json", exclude_defaults=True)
    described = [told, [each.kind for each in schema.features], *more]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name, frame in frames.items():
        for column, series in sorted(frame.items(), key=lambda named: str(named[0])):
            values = series.to_numpy()
            heading = [name, str(column), values.dtype.str, len(values)]
            digest.update(json.dumps(heading).encode())
            for start in range(0, len(values), _BLOCK):
                digest.update(_as_bytes(values[start : start + _BLOCK]))
    return digest.hexdigest()


def _as_bytes(values: Array) -> bytes:
    if not values.dtype.hasobject:
        return values.tobytes()
    # Exact where pandas' own hash is not: it takes None, NaN and "nan" for one, and a list by a
    # text that leaves out the middle of a long vector.
    return json.dumps(values.tolist(), default=_plain).encode()


def _plain(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.dtype.hasobject:
        return value.tolist()
    return [value.dtype.str, value.shape, value.tobytes().hex()]
