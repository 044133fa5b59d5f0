"""Files of written examples, checked against the manifest beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from recsys_tf.features.json_files import read_json
from recsys_tf.types import Tensor

MANIFEST = "manifest.json"
"""File beside the shards that tells how many rows each holds, and what a row holds."""


class BrokenExamplesError(ValueError):
    """Written examples are not as they were when they were counted."""


@dataclass(frozen=True)
class Manifest:
    """What `write_examples` tells of its shards.

    Attributes:
        rows: Rows by the name of the file; row `i` stands in file `i % len(rows)`.
        columns: What the rows may hold, in the order of the alphabet.
        is_target_masked: Whether a row's own item was left out of its history.
        has_target: Whether a row's own event may stand in its history; see `Examples`.
    """

    rows: dict[str, int]
    columns: tuple[str, ...]
    is_target_masked: bool
    has_target: bool


def check_shards(folder: str | Path, look: Callable[[Tensor], None] | None = None) -> Manifest:
    """Reads every file once, and compares its rows with the manifest.

    Args:
        folder: The folder of the files and their manifest.
        look: Called with the rows of each file in turn, string `[B]`; None looks at none.

    Returns:
        The manifest.

    Raises:
        BrokenExamplesError: If anything is not as it was written; the text lists every fault.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise BrokenExamplesError(
            f"`folder` {str(folder)!r} holds no {MANIFEST}: its writing was cut short, or it is "
            "another folder. Write the examples again."
        )
    manifest = _read_manifest(folder / MANIFEST)
    faults = [
        fault
        for name, rows in manifest.rows.items()
        for fault in _shard_faults(folder / name, rows, look)
    ]
    if faults:
        raise BrokenExamplesError(
            "The examples are not whole; write them again:\n  " + "\n  ".join(faults)
        )
    return manifest


def _read_manifest(path: Path) -> Manifest:
    try:
        told = read_json(path)
        columns, is_masked = tuple(told["columns"]), told["is_target_masked"]
        # Where it is not told, as by older versions, a history may hold anything.
        has_target = told.get("has_target", not is_masked)
        return Manifest(told["rows"], columns, is_masked, has_target)
    except KeyError as error:
        raise BrokenExamplesError(
            f"`{path}` does not tell {error}: the examples were written by an older version, or by "
            "other means. Write them again."
        ) from None
    except ValueError as error:
        raise BrokenExamplesError(f"{error} Write the examples again.") from None


def _shard_faults(path: Path, rows: int, look: Callable[[Tensor], None] | None) -> Iterable[str]:
    if not path.is_file():
        yield f"{path.name}: is absent"
        return
    found = 0
    try:
        for records in tf.data.TFRecordDataset(str(path), compression_type="GZIP").batch(1024):
            found += int(records.shape[0])
            if look is not None:
                look(records)
    except tf.errors.OpError as error:
        yield f"{path.name}: cannot be read after about {found:,} rows ({_first_line(error)})"
        return
    if found != rows:
        yield f"{path.name}: holds {found:,} rows, the manifest says {rows:,}"


def _first_line(error: Exception) -> str:
    # TensorFlow puts the name of the function before the message, in double braces.
    return str(error).splitlines()[0].rpartition("}} ")[2][:120]
