"""Publishes a SavedModel as a numbered version, whole or not at all, and takes versions back.

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
from collections.abc import Iterable, Iterator
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
from recsys_tf.disk import write_names_through, write_through
from recsys_tf.types import MAX_VERSION

WITHDRAWN = "withdrawn"
"""Folder beside the versions that keeps the manifest of each withdrawn one."""

_WRITING, _REMOVING = ".writing-", ".removing-"


class PublishError(RuntimeError):
    """A model could not be published, or taken back; what the server reads is whole."""


class WithdrawnError(PublishError):
    """The model was withdrawn; the text names the file that keeps it from being published."""


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


@dataclass(frozen=True)
class Withdrawal:
    """What became of a withdrawn version.

    Attributes:
        version: Its number.
        manifest: The file by which its model is refused from now on.
        newest: The newest version that is left; None where there is none.
    """

    version: int
    manifest: Path
    newest: int | None


def publish(model: str | Path, folder: str | Path, *, keep_versions: int = 5) -> Publication:
    """Publishes a SavedModel as the newest version of a folder.

    The number is the time in seconds, or one more than the newest version ever where that is not
    above it. A model that is the newest version already is not published again.

    Args:
        model: The SavedModel.
        folder: The folder of the versions; it is made where it is absent.
        keep_versions: Versions that stay, the new one among them; older ones are deleted.

    Returns:
        The version.

    Raises:
        ValueError: If `keep_versions` is below 1.
        WithdrawnError: If the model is one that was withdrawn.
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


def withdraw(
    folder: str | Path, version: int | None = None, *, allow_empty: bool = False
) -> Withdrawal:
    """Takes a version back; a server goes on with the newest one that is left.

    To delete the folder alone would not do: the next run would find its model to be missing, and
    publish it again. So the manifest is kept as `withdrawn/<version>.json`, and `publish` refuses
    the model until somebody deletes that file.

    Args:
        folder: The folder of the versions.
        version: The number; None takes the newest.
        allow_empty: Whether the only version may go. TensorFlow Serving unloads a model without
            versions, and every request then fails.

    Returns:
        What was withdrawn, and what is left.

    Raises:
        ValueError: If there is no such version.
        PublishError: If it is the only one and may not go, or the files cannot be written.
    """
    folder = Path(folder)
    if not versions(folder):
        raise ValueError(f"`folder` {str(folder)!r} holds no version.")
    try:
        with _locked(folder):
            _remove_leftovers(folder)
            return _withdraw(folder, version, allow_empty)
    except OSError as error:
        raise PublishError(
            f"The version cannot be withdrawn from {str(folder)!r}: {error.strerror or error}."
        ) from error


def versions(folder: str | Path) -> dict[int, Path]:
    """Returns the published versions of a folder, oldest first."""
    folder = Path(folder)
    found = folder.iterdir() if folder.is_dir() else ()
    return _by_number((path.name, path) for path in found if path.is_dir())


def withdrawn(folder: str | Path) -> dict[int, Path]:
    """Returns the manifests of the withdrawn versions of a folder, oldest first."""
    return _by_number((path.stem, path) for path in (Path(folder) / WITHDRAWN).glob("*.json"))


def _by_number(found: Iterable[tuple[str, Path]]) -> dict[int, Path]:
    numbered = {int(name): path for name, path in found if name.isascii() and name.isdigit()}
    return dict(sorted(item for item in numbered.items() if item[0] <= MAX_VERSION))


def _publish(model: Path, folder: Path, keep_versions: int) -> Publication:
    wanted = file_digests(model)
    existing, taken_back = versions(folder), withdrawn(folder)
    for number, manifest in taken_back.items():
        if read_manifest(manifest) == wanted:
            raise WithdrawnError(
                f"this model was withdrawn as version {number}; delete {manifest} to let it be "
                "published again."
            )
    newest = max(existing, default=0)
    if existing and _is_whole(existing[newest], wanted):
        return Publication(newest, existing[newest], is_new=False)
    writing = Path(tempfile.mkdtemp(prefix=_WRITING, dir=folder))
    try:
        _copy(model, writing, wanted)
        # A server may still know a withdrawn number by its model.
        version = max(int(time.time()), *(number + 1 for number in (newest, *taken_back)))
        path = folder / str(version)
        os.rename(writing, path)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    write_names_through(folder)
    for number in sorted({*existing, version})[:-keep_versions]:
        _remove(existing[number])
    return Publication(version, path, is_new=True)


def _withdraw(folder: Path, version: int | None, allow_empty: bool) -> Withdrawal:
    existing = versions(folder)
    number = max(existing, default=0) if version is None else version
    if number not in existing:
        raise ValueError(
            f"`version` must be one of {', '.join(map(str, existing))}, received {number}."
        )
    if len(existing) == 1 and not allow_empty:
        raise PublishError(
            f"Version {number} is the only one in {str(folder)!r}, and a server without a version "
            "answers nothing. Publish another one first, or allow it (`allow_empty`, "
            "`--allow-empty`)."
        )
    path = existing.pop(number)
    manifest = folder / WITHDRAWN / f"{number}.json"
    manifest.parent.mkdir(exist_ok=True)
    writing = manifest.with_suffix(".writing")
    write_manifest(writing, read_manifest(path / MANIFEST) or file_digests(path))
    os.replace(writing, manifest)
    # Refused first, then gone: a kill in between loses neither.
    write_names_through(manifest.parent)
    write_names_through(folder)
    _remove(path)
    write_names_through(folder)
    return Withdrawal(number, manifest, max(existing, default=None))


def _copy(model: Path, writing: Path, wanted: Files) -> None:
    for name in wanted:
        target = writing / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with (model / name).open("rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    if file_digests(writing) != wanted:
        raise PublishError(f"The files of {str(model)!r} changed while they were copied.")
    write_manifest(writing / MANIFEST, wanted)
    writing.chmod(0o755)
    write_through(writing)


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
