"""Is a version folder whole? Checked against ``manifest.json`` before TensorFlow sees it.

TensorFlow finds damage in ``variables/`` by itself, but a flipped bit in ``saved_model.pb``
often loads and runs with other numbers. The manifest is
``{"files": {"saved_model.pb": {"sha256": "...", "bytes": 123}, ...}}``; it is written last.
"""

from __future__ import annotations

import hashlib
import json
import os

MANIFEST = "manifest.json"
_GRAPHS = ("saved_model.pb", "saved_model.pbtxt")


class BrokenVersionError(Exception):
    """A version folder that must not be loaded; the text says which file and why."""


def check_version(path: str, *, require_manifest: bool = False) -> None:
    """Raises unless the version folder is complete.

    Args:
        path: the version folder.
        require_manifest: refuse a folder that has none, where it would else be let through.

    Raises:
        BrokenVersionError: no SavedModel, no manifest though one is required, or a file that is
            missing, unlisted, of another size or of other content.
    """
    if not any(os.path.isfile(os.path.join(path, name)) for name in _GRAPHS):
        raise BrokenVersionError(
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}"
        )
    manifest = os.path.join(path, MANIFEST)
    if not os.path.isfile(manifest):
        if require_manifest:
            raise BrokenVersionError(f"{path} has no {MANIFEST}, and --require_manifest is set")
        return
    listed = _read(manifest)
    for name, expected in listed.items():
        _check_file(path, name, expected)
    for name in _files_that_count(path):
        if name not in listed:
            raise BrokenVersionError(f"{path}/{name} is not listed in {MANIFEST}")


def _read(manifest: str) -> dict[str, dict[str, object]]:
    try:
        with open(manifest, encoding="utf-8") as file:
            files = json.load(file)["files"]
        if all(isinstance(entry["sha256"], str) for entry in files.values()):
            return dict(files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise BrokenVersionError(f'{manifest} must read {{"files": {{path: {{"sha256", "bytes"}}}}}}')


def _check_file(path: str, name: str, expected: dict[str, object]) -> None:
    full = os.path.join(path, name)
    inside = os.path.realpath(full).startswith(os.path.realpath(path) + os.sep)
    if os.path.isabs(name) or not inside:
        raise BrokenVersionError(f"{path}/{MANIFEST} names `{name}`, which is outside the version")
    if not os.path.isfile(full):
        raise BrokenVersionError(f"{full} is in {MANIFEST} but missing")
    size = os.path.getsize(full)
    if "bytes" in expected and size != expected["bytes"]:
        raise BrokenVersionError(f"{full} has {size} bytes, {MANIFEST} says {expected['bytes']}")
    if _sha256(full) != expected["sha256"]:
        raise BrokenVersionError(f"{full} does not have the sha256 that {MANIFEST} states")


def _files_that_count(path: str) -> list[str]:
    # What TensorFlow reads: the graph and the variables. Notes beside them may come and go.
    names = [name for name in (*_GRAPHS, "fingerprint.pb") if os.path.isfile(f"{path}/{name}")]
    for folder in ("variables", "assets", "assets.extra"):
        for parent, _, files in os.walk(os.path.join(path, folder)):
            names += [os.path.relpath(os.path.join(parent, file), path) for file in files]
    return names


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
