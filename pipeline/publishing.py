"""Publishes a SavedModel as a numbered version, whole or not at all.

A server takes a folder whose name is a number the moment the name exists. So a version is copied
under a name that no server reads, written through to the disk, and then renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.manifests import (
    MANIFEST,
    Files,
    file_digests,
    holds_files,
    read_manifest,
    write_manifest,
)

_WRITING, _REMOVING = ".writing-", ".removing-"


class PublishError(RuntimeError):
    """A model could not be published; the versions that were there still are."""


@dataclass(frozen=True)
class Publication:
    """Where a model stands.

    Attributes:
        version: Its number.
        path: Its folder.
        is_new: False where the newest version was this model already.
    """

    version: int
    path: Path
    is_new: bool


def publish(model: str | Path, folder: str | Path, *, keep_versions: int = 5) -> Publication:
    """Publishes a SavedModel as the newest version of a folder.

    The number is the time in seconds, or one more than the newest version where that is not
    above it. A model that is the newest version already is not published again.

    Args:
        model: The SavedModel.
        folder: The folder of the versions; it is made where it is absent.
        keep_versions: Versions that stay, the new one among them; older ones are deleted.

    Returns:
        The version.

    Raises:
        ValueError: If `keep_versions` is below 1.
        PublishError: If the model is no SavedModel, or the files cannot be written.
    """
    model, folder = Path(model), Path(folder)
    if keep_versions < 1:
        raise ValueError(f"`keep_versions` must be 1 or more, received {keep_versions}.")
    if not (model / "saved_model.pb").is_file():
        raise PublishError(f"`model` {str(model)!r} holds no saved_model.pb; nothing is published.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            _remove_leftovers(folder)
            return _publish(model, folder, keep_versions)
    except OSError as error:
        raise PublishError(
            f"The model cannot be published into {str(folder)!r}: {error.strerror or error}. The "
            "versions that were there are untouched."
        ) from error


def versions(folder: str | Path) -> dict[int, Path]:
    """Returns the published versions of a folder, oldest first."""
    folder = Path(folder)
    found = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    numbered = {
        int(path.name): path for path in found if path.name.isascii() and path.name.isdigit()
    }
    return dict(sorted(numbered.items()))


def _publish(model: Path, folder: Path, keep_versions: int) -> Publication:
    wanted = file_digests(model)
    existing = versions(folder)
    newest = max(existing, default=0)
    if existing and _is_whole(existing[newest], wanted):
        return Publication(newest, existing[newest], is_new=False)
    writing = Path(tempfile.mkdtemp(prefix=_WRITING, dir=folder))
    try:
        _copy(model, writing, wanted)
        version = max(int(time.time()), newest + 1)
        path = folder / str(version)
        os.rename(writing, path)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    _sync(folder)
    for number in sorted({*existing, version})[:-keep_versions]:
        _remove(existing[number])
    return Publication(version, path, is_new=True)


def _copy(model: Path, writing: Path, wanted: Files) -> None:
    for name in wanted:
        target = writing / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with (model / name).open("rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
    if file_digests(writing) != wanted:
        raise PublishError(f"The files of {str(model)!r} changed while they were copied.")
    write_manifest(writing / MANIFEST, wanted)
    for path in writing.rglob("*"):
        if path.is_dir():
            _sync(path)
    writing.chmod(0o755)
    _sync(writing)


def _is_whole(version: Path, wanted: Files) -> bool:
    """Whether a version states these files and still has them."""
    return read_manifest(version / MANIFEST) == wanted and holds_files(version, wanted)


def _remove(version: Path) -> None:
    # Under its number, a server might read it half deleted.
    removing = version.with_name(f"{_REMOVING}{version.name}")
    os.rename(version, removing)
    shutil.rmtree(removing, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Deletes what a killed run left; the lock says that nobody writes it now."""
    for prefix in (_WRITING, _REMOVING):
        for path in folder.glob(f"{prefix}*"):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(folder: Path) -> None:
    """Writes a folder's names through to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
