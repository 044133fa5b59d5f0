"""The typed reader of delimited text: every row is kept or reported, none is lost."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_tf.datasets.lines import MAX_REPORTED_LENGTH, ScreenedLines, screen_lines
from recsys_tf.datasets.rejections import MAX_TEXTS, Rejections, no_rejected_rows
from recsys_tf.datasets.values import Column, Converted, convert
from recsys_tf.naming import unknown_name_message
from recsys_tf.types import Array, IntArray

UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class DataFile:
    """A file's name, for the reports, and its bytes; it may come out of an archive."""

    name: str
    content: bytes

    @classmethod
    def from_path(cls, path: Path) -> DataFile:
        """Reads a file.

        Raises:
            FileNotFoundError: If there is none.
            OSError: If it cannot be read.
        """
        return cls(path.name, path.read_bytes())


@dataclass(frozen=True, eq=False)
class Table:
    """Typed rows, indexed by their line in the file, and what was refused."""

    frame: pd.DataFrame
    rejections: Rejections
    source: str

    def reject(self, is_bad: Array, reason: str) -> Table:
        """Returns the table without some rows, which join the rejected ones.

        Args:
            is_bad: bool `[n]`, the rows to refuse.
            reason: Why, in a few words.
        """
        if not is_bad.any():
            return self
        bad = self.frame[is_bad]
        texts = shown_rows(bad.head(MAX_TEXTS).to_dict("records"))
        rows = rejected_rows(self.source, bad.index, [reason] * len(bad), texts)
        return replace(
            self, frame=self.frame[~is_bad], rejections=self.rejections + Rejections({}, rows)
        )

    def reject_repeated(self, keys: Sequence[str]) -> Table:
        """Keeps the first of several rows with equal values in `keys` and refuses the others."""
        is_repeated = self.frame.duplicated(list(keys)).to_numpy()
        return self.reject(is_repeated, f"a repeated ({', '.join(keys)})")


def read_delimited(
    source: Path | DataFile,
    columns: Sequence[Column],
    *,
    delimiter: str = ",",
    names: Sequence[str] | None = None,
    encoding: str = "utf-8",
    is_quoted: bool = False,
    num_skipped_lines: int = 0,
) -> Table:
    """Reads a delimited text file into typed columns.

    A row is refused, counted and kept aside when it has a wrong number of columns, a control
    character, bytes that are not of the encoding, unbalanced quotes, an id that is empty or longer
    than 256 characters, a number that is none, not finite or out of its range, or a timestamp in
    another unit than its column. Rows read are always rows kept plus rows refused. The file is held
    in memory, at about ten times its size.

    Args:
        source: The file, or its bytes.
        columns: The wanted columns; a file may have others.
        delimiter: What parts the fields: one character, or several such as `::`.
        names: Names of all columns of a file without a header; None reads them from the first line.
        encoding: Encoding of the text; GroupLens' older files are in `latin-1`.
        is_quoted: Whether a field may stand in double quotes.
        num_skipped_lines: Lines at the file's start that are neither header nor row.

    Returns:
        The table; its frame's index is the line in the file, from 1.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, in UTF-16, lacks a column, or if not one row can be used.
    """
    file = source if isinstance(source, DataFile) else DataFile.from_path(Path(source))
    body, first_line = _checked_content(file), 1 + num_skipped_lines
    for _ in range(num_skipped_lines):
        body = body.partition(b"\n")[2]
    if names is None:
        header, _, body = body.partition(b"\n")
        names = _header_names(header, delimiter, encoding)
        first_line += 1
    _check_columns(file.name, columns, names, delimiter)
    lines = screen_lines(body, delimiter, len(names), encoding, is_quoted)
    if not lines.num_lines:
        raise ValueError(f"`{file.name}` has a header and no row.")
    texts = _parse(lines, names, encoding, is_quoted)
    if is_quoted and lines.delimiter != delimiter:
        # A field in quotes holds what stood for the delimiter while the file was parsed.
        texts = texts.apply(
            lambda column: column.str.replace(lines.delimiter, delimiter, regex=False)
        )
    texts.index = pd.Index(lines.positions + first_line, name="line")
    refused = rejected_rows(
        file.name,
        [position + first_line for position in lines.refused],
        [f"with {reason}" for reason, _ in lines.refused.values()],
        [text for _, text in lines.refused.values()],
    )
    table = typed_table(
        file.name,
        ((column.name, convert(texts[column.source], column)) for column in columns),
        texts.index,
        Rejections({file.name: lines.num_lines}, refused),
        lambda rows: ["  ".join(row) for row in texts.iloc[rows].to_numpy()],
    )
    if not len(table.frame):
        raise ValueError(
            f"No row of `{file.name}` could be used; wanted are {len(names)} columns parted by "
            f"{delimiter!r}: {', '.join(names)}.\n{table.rejections.summary()}\n"
            f"first row: {table.rejections.rows['text'].iloc[0]!r}"
        )
    return table


def _checked_content(file: DataFile) -> bytes:
    content = file.content
    if content.startswith(UTF16_MARKS):
        raise ValueError(f"`{file.name}` is in UTF-16; save it as UTF-8.")
    content = content.removeprefix(UTF8_MARK)
    if not content.strip():
        raise ValueError(f"`{file.name}` is empty.")
    return content


def _header_names(header: bytes, delimiter: str, encoding: str) -> list[str]:
    text = header.decode(encoding, errors="replace").rstrip("\r")
    if len(delimiter) > 1:
        return text.split(delimiter)
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]


def _check_columns(
    source: str, columns: Sequence[Column], names: Sequence[str], delimiter: str
) -> None:
    absent = [column.source for column in columns if column.source not in names]
    if absent:
        raise ValueError(
            f"`{source}` lacks {len(absent)} of {len(columns)} columns (parted by {delimiter!r}): "
            + " ".join(unknown_name_message("column", name, names) for name in absent)
        )


def _parse(
    lines: ScreenedLines, names: Sequence[str], encoding: str, is_quoted: bool
) -> pd.DataFrame:
    if not len(lines.positions):
        return pd.DataFrame({name: pd.Series([], dtype=object) for name in names})
    return pd.read_csv(
        io.BytesIO(lines.content),
        sep=lines.delimiter,
        header=None,
        names=list(names),
        index_col=False,
        # Strings as they stand: "NA" is a name, "007" keeps its zeros.
        dtype=object,
        na_filter=False,
        skip_blank_lines=False,
        lineterminator="\n",
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
        encoding=encoding,
        engine="c",
    )


def typed_table(
    source: str,
    columns: Iterable[tuple[str, Converted]],
    index: pd.Index,
    rejections: Rejections,
    read_texts: Callable[[IntArray], Sequence[str]],
) -> Table:
    """Joins converted columns to the rows that can be used, and tells of the others.

    Args:
        source: Name of the file.
        columns: Names and values, each `[n]`; a row has the first reason that one of them gives.
        index: The rows' lines in the file.
        rejections: What was read, and refused before.
        read_texts: Positions of refused rows -> these rows as they were read.

    Returns:
        The table.
    """
    reasons = np.full(len(index), "", dtype=object)
    frame = {}
    for name, converted in columns:
        frame[name] = pd.Series(converted.values, index=index, dtype=converted.values.dtype)
        reasons = np.where(reasons == "", converted.reasons, reasons)
        for note in converted.notes:
            rejections = rejections.with_note(f"{source}: {note}")
    bad = np.flatnonzero(reasons != "")
    # Of each reason the first: one that is met a million times must not hide the others.
    is_shown = pd.Series(reasons[bad]).groupby(reasons[bad]).cumcount().to_numpy() < MAX_TEXTS
    texts = np.full(len(bad), "", dtype=object)
    texts[is_shown] = read_texts(bad[is_shown])
    rows = rejected_rows(source, index[bad], reasons[bad], texts)
    return Table(pd.DataFrame(frame)[reasons == ""], rejections + Rejections({}, rows), source)


def shown_rows(rows: Iterable[Mapping[Any, Any]]) -> list[str]:
    """Shows rows of named values, as in `Rejections`."""
    return [", ".join(f"{name}={value}" for name, value in row.items()) for row in rows]


def rejected_rows(
    source: str, lines: Sequence[int], reasons: Sequence[str] | Array, texts: Sequence[str] | Array
) -> pd.DataFrame:
    """Makes the frame of refused rows that `Rejections` holds.

    Args:
        source: Name of the file.
        lines: Their lines in it, from 1.
        reasons: Why each was refused.
        texts: The rows as read, or the first of them; they are cut.
    """
    if not len(lines):
        return no_rejected_rows()
    shown = [text[:MAX_REPORTED_LENGTH] for text in texts]
    shown += [""] * (len(lines) - len(shown))
    return pd.DataFrame({"source": source, "line": lines, "reason": reasons, "text": shown})
