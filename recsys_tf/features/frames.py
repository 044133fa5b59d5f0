"""Columns of data frames as arrays, with errors that name the frame and the column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys_tf.datasets.values import names_of, seconds_of_dates
from recsys_tf.naming import unknown_name_message
from recsys_tf.types import Array, FloatArray, IntArray

# `astype("string")` would make "12.0" of 12.0, which no other column calls so; `astype(str)` makes
# values of what is missing: "None" and "nan".
_OF_FLOATS = (
    "Numbers with a point are no ids. Whole ones are read so where some are missing: convert the "
    'column with `astype("Int64").astype("string")`.'
)
_WAY_TO_STRINGS = {"floating": _OF_FLOATS, "mixed-integer-float": _OF_FLOATS}
_AS_INTEGERS = 'astype("int64")'


class FrameColumns:
    """Reads typed columns out of one data frame.

    Args:
        frame: The data frame.
        name: What the frame is called in errors: `events`, `users` or `items`.

    Example:
        >>> FrameColumns(pd.DataFrame({"age": [31, None]}), "users").floats("age").tolist()
        [31.0, nan]
    """

    def __init__(self, frame: pd.DataFrame, name: str) -> None:
        self._frame = frame
        self._name = name

    def strings(self, column: str) -> Array:
        """Returns an object array `[n]` of `str`; what is missing becomes `""`."""
        series = self._series(column)
        return self._as_strings(series, column)

    def names(self, column: str) -> Array:
        """Returns an object array `[n]` of `str` as `strings`, of numbers by their digits."""
        return self._as_strings(names_of(self._series(column)), column)

    def floats(self, column: str) -> FloatArray:
        """Returns float32 `[n]`; what is missing becomes NaN."""
        series = self._series(column)
        if not (pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series)):
            raise self._type_error(column, "numbers", series)
        return series.to_numpy(dtype=np.float32, na_value=np.nan)

    def integers(self, column: str) -> IntArray:
        """Returns int64 `[n]`; nothing may be missing."""
        series = self._series(column)
        if not pd.api.types.is_integer_dtype(series) or series.isna().any():
            raise TypeError(
                f"`{self._name}.{column}` must hold whole numbers, none missing, received dtype "
                f"{series.dtype} with {series.isna().sum():,} missing. Leave out the rows where it "
                f"is missing, and {_way_to_numbers(series, _AS_INTEGERS)}."
            )
        return series.to_numpy(dtype=np.int64)

    def string_lists(self, column: str) -> tuple[Array, IntArray]:
        """Returns all strings on end, `[M]`, and the splits between the rows, int64 `[n + 1]`."""
        series = self._series(column)
        lists = [() if _is_missing(each) else each for each in series]
        wrong = next((each for each in lists if isinstance(each, str) or not _is_list(each)), None)
        if wrong is not None:
            raise TypeError(
                f"`{self._name}.{column}` must hold a list of strings a row, received "
                f"{type(wrong).__name__} {str(wrong)[:40]!r}. Split it before."
            )
        splits = np.concatenate([[0], np.cumsum([len(each) for each in lists], dtype=np.int64)])
        flat = pd.Series([value for each in lists for value in each], dtype=object)
        return self._as_strings(flat, column), splits.astype(np.int64)

    def vectors(self, column: str, size: int) -> FloatArray:
        """Returns float32 `[n + 1, size]`; the last row, and what is missing, is NaN."""
        series = self._series(column)
        vectors = np.full((len(series) + 1, size), np.nan, np.float32)
        for position, value in enumerate(series):
            if _is_missing(value):
                continue
            vector = np.asarray(value, np.float32)
            if vector.shape != (size,):
                raise ValueError(
                    f"`{self._name}.{column}` must hold {size} numbers a row, received shape "
                    f"{vector.shape} at row {position}."
                )
            vectors[position] = vector
        return vectors

    def positions(self, column: str, wanted: Array) -> IntArray:
        """Returns the row of each wanted id, int64; -1 where the frame does not hold it."""
        ids = self.strings(column)
        index = pd.Index(ids)
        if not index.is_unique:
            repeated = ids[index.duplicated()]
            raise ValueError(
                f"`{self._name}.{column}` must hold each id once, {len(repeated)} are there "
                f"again, for instance {repeated[0]!r}."
            )
        return index.get_indexer(pd.Index(wanted)).astype(np.int64)

    def _series(self, column: str) -> pd.Series:
        if column not in self._frame.columns:
            known = [str(each) for each in self._frame.columns]
            raise ValueError(
                f"`{self._name}` lacks the column {column!r} of the schema: "
                + unknown_name_message("column", column, known)
            )
        series = self._frame[column]
        if series.ndim != 1:
            raise ValueError(
                f"`{self._name}.{column}` must be one column (rank 1), received rank "
                f"{series.ndim}: the name stands there {series.shape[1]} times."
            )
        return series

    def _as_strings(self, series: pd.Series, column: str) -> Array:
        if isinstance(series.dtype, pd.CategoricalDtype):
            series = series.astype(object)
        kind = pd.api.types.infer_dtype(series, skipna=True)
        if kind not in ("string", "empty") and not series.isna().all():
            raise self._type_error(column, "strings", series, kind)
        values = series.to_numpy(dtype=object)
        return np.where(pd.isna(values), "", values).astype(object)

    def _type_error(
        self, column: str, wanted: str, series: pd.Series, kind: str | None = None
    ) -> TypeError:
        way_out = (
            _WAY_TO_STRINGS.get(kind or "", 'Convert the column with `astype("string")`.')
            if wanted == "strings"
            else f"You can {_way_to_numbers(series, 'pandas.to_numeric')}."
        )
        received = f"{kind} values" if kind else f"dtype {series.dtype}"
        return TypeError(
            f"`{self._name}.{column}` must hold {wanted} (missing: "
            f"{'an empty string' if wanted == 'strings' else 'NaN'}), received {received}. "
            + way_out
        )


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1)


def _way_to_numbers(series: pd.Series, function: str) -> str:
    is_date = pd.api.types.is_datetime64_any_dtype(series)
    return f"convert the column with `{seconds_of_dates(series) if is_date else function}`"
