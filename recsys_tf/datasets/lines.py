"""The lines of a delimited file, screened as bytes before anything is parsed.

All checks run over the whole file at once in NumPy, so that a good file of a million rows is not
walked row by row; only lines that are refused are touched one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys_tf.datasets.rejections import MAX_TEXTS
from recsys_tf.types import Array, IntArray

NEWLINE, TAB, QUOTE = ord("\n"), ord("\t"), ord('"')

# Stands for a delimiter of several bytes ("::") while the file is parsed: ASCII's unit separator.
UNIT_SEPARATOR = b"\x1f"

MAX_REPORTED_LENGTH = 200


@dataclass(frozen=True, eq=False)
class ScreenedLines:
    """The lines that can be parsed, and the reason for each other line.

    Attributes:
        content: The good lines, each ended by a newline, in the file's encoding.
        delimiter: The one byte that parts their fields.
        positions: int64 `[n_good]`, each good line's position among all lines.
        num_lines: All lines, the refused ones included.
        refused: Position -> (reason, the line's text cut for the report, see `Rejections`).
    """

    content: bytes
    delimiter: str
    positions: IntArray
    num_lines: int
    refused: dict[int, tuple[str, str]]


def screen_lines(
    raw: bytes, delimiter: str, num_fields: int, encoding: str, is_quoted: bool
) -> ScreenedLines:
    """Parts the lines that hold `num_fields` readable fields from all others.

    Args:
        raw: The file's bytes, without a header.
        delimiter: What parts the fields; one character or several.
        num_fields: How many fields a good line has.
        encoding: `utf-8`, `latin-1` or another that Python knows and that extends ASCII.
        is_quoted: Whether fields may stand in double quotes and hold the delimiter there. A
            quoted field must end on its own line.

    Returns:
        The good lines and the refused ones.
    """
    raw = raw.replace(b"\r\n", b"\n").rstrip(b"\r\n")
    if not raw:
        return ScreenedLines(b"", delimiter, np.zeros(0, np.int64), 0, {})
    raw += b"\n"
    separator = delimiter.encode(encoding)
    checks = [("a NUL or other control character", _has_control_character(raw, separator))]
    if len(separator) > 1:
        raw, separator = raw.replace(separator, UNIT_SEPARATOR), UNIT_SEPARATOR
    buffer = np.frombuffer(raw, np.uint8)
    ends = np.flatnonzero(buffer == NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    checks.append(("an empty line", ends == starts))
    checks.append((f"not valid {encoding}", _is_undecodable(raw, buffer, starts, ends, encoding)))
    fields: IntArray = np.flatnonzero(buffer == separator[0])
    if is_quoted:
        is_malformed, fields = _screen_quotes(buffer, fields, starts, ends, separator[0])
        checks.append(("an unbalanced or misplaced quote", is_malformed))
    checks.append(("a wrong number of columns", _count(fields, ends) != num_fields - 1))
    reasons = _first_reason([is_bad for _, is_bad in checks])
    refused = {
        int(line): (
            checks[reasons[line]][0],
            _text(raw, starts[line], delimiter, encoding) if number < MAX_TEXTS else "",
        )
        for number, line in enumerate(np.flatnonzero(reasons >= 0))
    }
    is_good = reasons < 0
    if refused:
        raw = buffer[np.repeat(is_good, ends - starts + 1)].tobytes()
    return ScreenedLines(raw, chr(separator[0]), np.flatnonzero(is_good), len(ends), refused)


def _text(raw: bytes, start: int, delimiter: str, encoding: str) -> str:
    """Returns a line as it stands in the file, cut for the report."""
    cut = raw[start : start + MAX_REPORTED_LENGTH + 1].split(b"\n")[0]
    cut = cut.replace(UNIT_SEPARATOR, delimiter.encode(encoding))
    return cut.decode(encoding, errors="replace")[:MAX_REPORTED_LENGTH]


def _first_reason(checks: list[Array]) -> IntArray:
    reasons = np.full(len(checks[0]), -1)
    for number in reversed(range(len(checks))):
        reasons[checks[number]] = number
    return reasons


def _count(positions: IntArray, ends: IntArray) -> IntArray:
    return np.diff(np.searchsorted(positions, ends), prepend=0)


def _has_control_character(raw: bytes, separator: bytes) -> Array:
    buffer = np.frombuffer(raw, np.uint8)
    is_control = (buffer < 32) & (buffer != NEWLINE) & (buffer != TAB) | (buffer == 127)
    if len(separator) == 1:
        is_control &= buffer != separator[0]
    return _count(np.flatnonzero(is_control), np.flatnonzero(buffer == NEWLINE)) > 0


def _is_undecodable(
    raw: bytes, buffer: Array, starts: IntArray, ends: IntArray, encoding: str
) -> Array:
    is_bad = np.zeros(len(ends), dtype=bool)
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        has_high_byte = _count(np.flatnonzero(buffer >= 128), ends) > 0
        for line in np.flatnonzero(has_high_byte):
            try:
                raw[starts[line] : ends[line]].decode(encoding)
            except UnicodeDecodeError:
                is_bad[line] = True
    return is_bad


def _screen_quotes(
    buffer: Array, fields: IntArray, starts: IntArray, ends: IntArray, separator: int
) -> tuple[Array, IntArray]:
    """Finds lines whose quotes do not pair up around whole fields; drops quoted delimiters."""
    quotes = np.flatnonzero(buffer == QUOTE)
    if not len(quotes):
        return np.zeros(len(ends), dtype=bool), fields
    counts = _count(quotes, ends)
    quotes_before = np.cumsum(counts) - counts
    line_of_quote = np.repeat(np.arange(len(ends)), counts)
    is_opening = (np.arange(len(quotes)) - quotes_before[line_of_quote]) % 2 == 0
    previous, following = buffer[quotes - 1], buffer[quotes + 1]
    # A doubled quote within a field closes it and opens it again at once.
    may_open = (quotes == starts[line_of_quote]) | (previous == separator) | (previous == QUOTE)
    may_close = (following == NEWLINE) | (following == separator) | (following == QUOTE)
    is_misplaced = np.where(is_opening, ~may_open, ~may_close)
    is_malformed = counts % 2 == 1
    is_malformed[line_of_quote[is_misplaced]] = True
    line_of_field = np.searchsorted(ends, fields)
    is_inside = (np.searchsorted(quotes, fields) - quotes_before[line_of_field]) % 2 == 1
    return is_malformed, fields[~is_inside]
