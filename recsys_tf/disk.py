"""Writes folders through to the disk: after a rename alone, a power cut may leave empty files."""

from __future__ import annotations

import os
from pathlib import Path


def write_through(folder: Path) -> None:
    """Writes a folder with all that is below it through to the disk.

    Args:
        folder: The folder; call it before the rename that makes its name known.

    Raises:
        OSError: If the disk does not take it.
    """
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def write_names_through(folder: Path) -> None:
    """Writes the names in a folder through to the disk; call it after a rename in it.

    Args:
        folder: The folder.

    Raises:
        OSError: If the disk does not take them.
    """
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
