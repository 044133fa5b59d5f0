"""From text to typed values, a whole column at a time, with a reason for each refused row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from recsys_tf.types import Array, FloatArray

MAX_ID_LENGTH = 256

# Largest timestamp in seconds that is taken for one: 2100-01-01.
MAX_SECONDS = 4_102_444_800

# A timestamp at or above the bound is in that unit: 1e11 seconds is the year 5138, and 1e11
# milliseconds is 1973, so that the units do not meet for any date that occurs.
TIME_UNITS = (("nanoseconds", 1e17, 1e9), ("microseconds", 1e14, 1e6), ("milliseconds", 1e11, 1e3))

Kind = Literal["id", "text", "list", "number", "timestamp"]


@dataclass(frozen=True)
class Column:
    """One column of a file and what it must hold.

    Attributes:
        source: Its name in the file's header, or in the `names` given for a file without one.
        name: Its name in the frame.
        kind: `id` (1 to 256 characters), `text`, `list` (of strings, parted by `separator`),
            `number` or `timestamp` (whole seconds; a column in milli-, micro- or nanoseconds is
            converted).
        low: Smallest number that is kept.
        high: Largest number that is kept.
        is_required: Whether an empty number refuses the row; else it becomes NaN.
        separator: Parts the strings of a `list`.
    """

    source: str
    name: str
    kind: Kind = "text"
    low: float = -np.inf
    high: float = np.inf
    is_required: bool = False
    separator: str = "|"


@dataclass(frozen=True, eq=False)
class Converted:
    """A converted column: values, a reason ("" for none) for each row, and notes."""

    values: Array
    reasons: Array
    notes: tuple[str, ...] = ()


def convert(texts: pd.Series, column: Column) -> Converted:
    """Converts one column of strings.

    Args:
        texts: Strings as read, never missing.
        column: What they must be.

    Returns:
        Values (object strings, object lists, float64, or int64 for a timestamp), reasons and
        notes. The value of a refused row has no meaning.

    Example:
        >>> rating = Column("r", "rating", "number", high=5)
        >>> convert(pd.Series(["4", "x", "9"]), rating).reasons.tolist()
        ['', 'rating: not a number', 'rating: outside [-inf, 5]']
    """
    if column.kind == "number":
        return _numbers(texts, column)
    if column.kind == "timestamp":
        return _timestamps(texts, column)
    # Each distinct string is looked at once.
    codes, distinct = pd.factorize(np.asarray(texts, dtype=object))
    cleaned = np.empty(len(distinct), dtype=object)
    cleaned[:] = [text.strip() for text in distinct]
    reasons = np.full(len(distinct), "", dtype=object)
    if column.kind == "id":
        lengths = np.array([len(text) for text in cleaned], dtype=np.int64)
        reasons[lengths > MAX_ID_LENGTH] = f"{column.name}: longer than {MAX_ID_LENGTH} characters"
        reasons[lengths == 0] = f"{column.name}: empty"
    values = cleaned[codes] if len(distinct) else np.zeros(0, dtype=object)
    if column.kind == "list":
        for row, text in enumerate(values):
            values[row] = [part.strip() for part in text.split(column.separator) if part.strip()]
    return Converted(values, reasons[codes] if len(distinct) else reasons)


def check_numbers(numbers: FloatArray, column: Column) -> Array:
    """Returns the reason for each number that the column must not hold, `""` for a good one.

    Args:
        numbers: float64 `[n]`, NaN for a missing one.
        column: Bounds, and whether a number may be missing.
    """
    reasons = np.full(len(numbers), "", dtype=object)
    is_outside = (numbers < column.low) | (numbers > column.high)
    reasons[is_outside] = f"{column.name}: outside [{column.low:g}, {column.high:g}]"
    reasons[np.isinf(numbers)] = f"{column.name}: not finite"
    if column.is_required:
        reasons[np.isnan(numbers)] = f"{column.name}: empty"
    return reasons


def to_seconds(numbers: FloatArray, reasons: Array, column: Column) -> Converted:
    """Converts moments in one unit to whole seconds since 1970.

    Args:
        numbers: float64 `[n]`, in seconds, milli-, micro- or nanoseconds.
        reasons: Why a number is none, `""` for a good one.
        column: Its name stands in the reasons and notes.

    Returns:
        int64 seconds, reasons and notes, as of `convert`.
    """
    reasons = reasons.copy()
    notes: tuple[str, ...] = ()
    is_good = reasons == ""
    factors = np.ones(len(numbers))
    for _, bound, factor in reversed(TIME_UNITS):
        factors[numbers >= bound] = factor
    if is_good.any():
        # The unit of the column is that of most of its rows.
        distinct, counts = np.unique(factors[is_good], return_counts=True)
        unit = distinct[np.argmax(counts)]
        is_other = is_good & (factors != unit)
        reasons[is_other] = f"{column.name}: in another unit than the column"
        if unit != 1:
            name = next(name for name, _, factor in TIME_UNITS if factor == unit)
            notes = (f"`{column.name}` was in {name}; converted to seconds",)
            numbers = np.floor(numbers / unit)
    is_good = reasons == ""
    is_outside = is_good & ((numbers < 0) | (numbers > MAX_SECONDS))
    reasons[is_outside] = f"{column.name}: outside [0, {MAX_SECONDS}]"
    is_broken = (reasons == "") & (numbers != np.floor(numbers))
    reasons[is_broken] = f"{column.name}: not a whole number"
    whole = np.where(reasons == "", numbers, 0).astype(np.int64)
    return Converted(whole, reasons, notes)


def _numbers(texts: pd.Series, column: Column) -> Converted:
    codes, distinct = pd.factorize(np.asarray(texts, dtype=object))
    numbers = pd.to_numeric(pd.Series(distinct, dtype=object), errors="coerce").to_numpy(np.float64)
    reasons = check_numbers(numbers, column)
    for row in np.flatnonzero(np.isnan(numbers)):
        text = distinct[row].strip().lower()
        if text != "":
            fault = "not finite" if _is_not_finite(text) else "not a number"
            reasons[row] = f"{column.name}: {fault}"
    return Converted(numbers[codes], reasons[codes])


def _is_not_finite(text: str) -> bool:
    try:
        return not np.isfinite(float(text))
    except ValueError:
        return False


def _timestamps(texts: pd.Series, column: Column) -> Converted:
    parsed = _numbers(texts, Column(column.source, column.name, "number", is_required=True))
    return to_seconds(parsed.values, parsed.reasons, column)


def names_of(column: pd.Series) -> pd.Series:
    """Reads a column as names: a number is known by its digits, and what is missing is "".

    Args:
        column: Strings or numbers.

    Returns:
        The same rows, of dtype object; what is neither stays as it is.

    Example:
        >>> names_of(pd.Series([4.0, None, 3.5])).tolist()
        ['4', '', '3.5']
    """
    if pd.api.types.is_numeric_dtype(column):
        codes, numbers = pd.factorize(column)
        # Behind the last stands what is missing, whose code is -1.
        names = np.array([*map(_digits, numbers), ""], object)[codes]
    else:
        names = column.to_numpy(object)
        names = np.where(pd.isna(names), "", names)
    return pd.Series(names, column.index, object)


def _digits(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:.9g}"


def seconds_of_dates(dates: pd.Series) -> str:
    """Tells how a column of dates becomes seconds since 1970; `pandas.to_numeric` keeps its unit.

    Args:
        dates: The column, of a datetime dtype, with or without a zone.

    Returns:
        The expression, of `column`.
    """
    zone = "" if dates.dt.tz is None else ", tz='UTC'"
    return f"(column - pandas.Timestamp(0{zone})) // pandas.Timedelta(seconds=1)"
