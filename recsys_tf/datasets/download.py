"""Downloads from a publisher's address, checked by size and SHA-256, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

CHUNK_BYTES = 1 << 16
TIMEOUT_S = 20
SECONDS_WITHOUT_PROGRESS_BAR = 2.0
NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
)


class DownloadError(OSError):
    """A file could not be fetched, or is not the one that was published."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its address, name, size in bytes and SHA-256 in hex."""

    url: str
    name: str
    num_bytes: int
    sha256: str


def cache_folder() -> Path:
    """Returns where downloads are kept: `$XDG_CACHE_HOME/recsys_tf` or `~/.cache/recsys_tf`."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "recsys_tf"


def fault_of(path: Path, remote: RemoteFile) -> str | None:
    """Says how a file differs from the published one; None if it is the same.

    Args:
        path: The file.
        remote: What was published.
    """
    size = path.stat().st_size
    if size != remote.num_bytes:
        return f"{size:,} bytes instead of {remote.num_bytes:,}"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return None if digest == remote.sha256 else f"SHA-256 {digest} instead of {remote.sha256}"


def is_cached(remote: RemoteFile, folder: Path) -> bool:
    """Returns whether the folder holds the file, whole and as published."""
    path = folder / remote.name
    return path.is_file() and fault_of(path, remote) is None


def download(remote: RemoteFile, folder: Path) -> Path:
    """Fetches a file, unless the folder holds it already.

    It is written under another name in the same folder, checked, flushed to the disk and renamed,
    so that nobody ever sees half of it.

    Args:
        remote: What to fetch.
        folder: Where to; it is made.

    Returns:
        The path of the file.

    Raises:
        DownloadError: If the address cannot be reached, the folder cannot be written, or what
            came is not what was published; the text says where to put the file by hand.
    """
    target = folder / remote.name
    if is_cached(remote, folder):
        return target
    with new_file(target) as file:
        try:
            _fetch(remote, file)
        except NETWORK_ERRORS as error:
            reason = getattr(error, "reason", error)
            raise DownloadError(
                f"{remote.url} cannot be reached ({reason}). Fetch it elsewhere and put it into "
                f"{folder}, or name the folder that holds it with `folder`."
            ) from None
        file.flush()
        fault = fault_of(Path(file.name), remote)
        if fault is not None:
            raise DownloadError(f"What came from {remote.url} is not what was published: {fault}.")
    return target


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file that becomes `target` at the end, and vanishes on any error.

    Args:
        target: Path of the file to make; its folder is made.

    Raises:
        DownloadError: If the folder cannot be written or the disk is full.
    """
    temporary: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as file:
            temporary = file.name
            yield file  # type: ignore[misc]
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        temporary = None
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(f"`{target}` cannot be written: {error.strerror or error}.") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _fetch(remote: RemoteFile, file: IO[bytes]) -> None:
    with urllib.request.urlopen(remote.url, timeout=TIMEOUT_S) as answer, _bar(remote) as advance:
        # One byte more than published tells a longer file from a whole one.
        left = remote.num_bytes + 1
        while left > 0 and (chunk := answer.read(min(CHUNK_BYTES, left))):
            file.write(chunk)
            left -= len(chunk)
            advance(len(chunk))


@contextlib.contextmanager
def _bar(remote: RemoteFile) -> Iterator[_Bar]:
    bar = _Bar(remote)
    try:
        yield bar
    finally:
        bar.stop()


class _Bar:
    """A progress bar that shows itself on a terminal once two seconds have gone by."""

    def __init__(self, remote: RemoteFile) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        self._progress = Progress(*columns, transient=True)
        self._task = self._progress.add_task(f"downloading {remote.name}", total=remote.num_bytes)
        self._start_s = time.monotonic()
        self._is_shown = False

    def __call__(self, num_bytes: int) -> None:
        self._progress.advance(self._task, num_bytes)
        is_late = time.monotonic() - self._start_s > SECONDS_WITHOUT_PROGRESS_BAR
        if is_late and not self._is_shown and sys.stderr.isatty():
            self._is_shown = True
            self._progress.start()

    def stop(self) -> None:
        """Takes the bar off the screen."""
        if self._is_shown:
            self._progress.stop()
