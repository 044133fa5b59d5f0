"""A data set's files in a folder or archive that the caller or the environment names."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

from recsys_tf.datasets.reading import DataFile

DATA_FOLDER_VARIABLE = "RECSYS_DATA_DIR"


def find_files(
    dataset: str,
    forms: Iterable[tuple[str, ...]],
    folder: str | Path | None = None,
    archives: tuple[str, ...] = (),
) -> dict[str, DataFile] | None:
    """Finds a data set's files and reads them.

    Looked at are `folder`, or without it `$RECSYS_DATA_DIR`; in either the sub-folder of the data
    set's name too, and within both the archives. What a loader downloads is found by `download`.

    Args:
        dataset: Name of the data set, which is the sub-folder's name.
        forms: For each form in which the data set is published, the names of its files. The first
            form that is complete in a place is read.
        folder: The folder (or the archive) to read from; None reads the environment.
        archives: Names of zip archives that may hold the files.

    Returns:
        The files by name, or None where no folder is given and the environment names none that
        holds them.

    Raises:
        FileNotFoundError: If `folder` is given and does not hold a complete form.
    """
    forms = list(forms)
    for place in _places(dataset, folder, archives):
        for form in forms:
            found = read_members(place, form)
            if found is not None:
                return found
    if folder is None:
        return None
    wanted = " or ".join(", ".join(form) for form in forms)
    raise FileNotFoundError(
        f"`folder` {str(folder)!r} must hold the files of {dataset}: {wanted}"
        f"{' or the archive ' + ' or '.join(archives) if archives else ''}; "
        + ("it does not." if Path(folder).exists() else "there is no such folder.")
    )


def read_members(place: Path, names: Iterable[str]) -> dict[str, DataFile] | None:
    """Reads files out of a folder or a zip archive.

    Args:
        place: The folder or archive. Within an archive the files may lie in any folder.
        names: Names of the files.

    Returns:
        The files by name, or None if one of them is missing.

    Raises:
        ValueError: If an archive is damaged.
    """
    if place.is_dir():
        paths = {name: place / name for name in names}
        if not all(path.is_file() for path in paths.values()):
            return None
        return {name: DataFile.from_path(path) for name, path in paths.items()}
    try:
        with zipfile.ZipFile(place) as archive:
            members = {Path(member).name: member for member in archive.namelist()}
            if not all(name in members for name in names):
                return None
            return {name: DataFile(name, archive.read(members[name])) for name in names}
    except zipfile.BadZipFile as error:
        raise ValueError(f"`{place}` is not a whole zip archive: {error}.") from None


def _places(dataset: str, folder: str | Path | None, archives: tuple[str, ...]) -> list[Path]:
    if folder is not None:
        bases = [Path(folder).expanduser()]
    else:
        named = os.environ.get(DATA_FOLDER_VARIABLE)
        bases = [Path(named).expanduser()] if named else []
    candidates = [place for base in bases for place in (base, base / dataset)]
    places = []
    for candidate in candidates:
        if candidate.is_dir():
            places.append(candidate)
            places += [candidate / name for name in archives if (candidate / name).is_file()]
        elif candidate.is_file() and zipfile.is_zipfile(candidate):
            places.append(candidate)
    return places
