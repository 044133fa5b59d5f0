"""Which files make up a model: their names, sizes and digests, and whether a folder holds them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

MANIFEST = "manifest.json"
"""File in a version that holds the size and the SHA-256 of each of its files."""

Files = dict[str, dict[str, str | int]]
"""Size (`bytes`) and `sha256` of each file, by its path within the folder."""


def file_digests(folder: Path) -> Files:
    """Returns size and SHA-256 of every file below a folder but its manifest."""
    return {
        name: {"sha256": _sha256(folder / name), "bytes": size}
        for name, size in _sizes(folder).items()
    }


def holds_files(folder: Path, stated: Mapping[str, Mapping[str, str | int]]) -> bool:
    """Compares a folder with a manifest, and reads no more of it than that takes.

    Args:
        folder: The folder.
        stated: What the manifest states.

    Returns:
        Whether the folder's files are the stated ones, none more and none less.
    """
    sizes = _sizes(folder)
    if not sizes or sizes != {name: each.get("bytes") for name, each in stated.items()}:
        return False
    # Small files first: other weights show in the index of the variables already.
    names = sorted(sizes, key=sizes.__getitem__)
    return all(_sha256(folder / name) == stated[name].get("sha256") for name in names)


def read_manifest(path: Path) -> Files | None:
    """Returns the files that a manifest states; None where it is absent or no manifest."""
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_whole = isinstance(files, dict) and all(isinstance(each, dict) for each in files.values())
    return files if is_whole else None


def write_manifest(path: Path, files: Files) -> None:
    """Writes a manifest through to the disk."""
    with path.open("w", encoding="utf-8") as file:
        json.dump({"files": files}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())


def _sizes(folder: Path) -> dict[str, int]:
    found = ((path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob("*")))
    return {
        name: path.stat().st_size for name, path in found if name != MANIFEST and path.is_file()
    }


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
