"""The versions of one model: found by polling, loaded before the old go, never half-written.

A broken version is END with its reason, is tried again with growing pauses (and at once when
its folder changes), and never displaces a good one. Differences from TensorFlow Serving, all
towards staying up: a base path that vanishes or is emptied unloads nothing; after a restart
with a broken newest version the newest good one is served.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from serving.server.config import ModelConfig
from serving.server.errors import RequestError
from serving.server.runner import ModelRunner

START, LOADING, AVAILABLE, UNLOADING, END = 10, 20, 30, 40, 50
_MAX_BACK_OFF = 64
_NO_VERSION = 1 << 63  # the first number that the protocol's int64 cannot name
_LOG = logging.getLogger("serving")


@dataclass
class Version:
    """One numbered folder and what became of it."""

    number: int
    path: str
    state: int = START
    error: str = ""
    runner: ModelRunner | None = None
    failures: int = 0
    retry_at: float = 0.0
    seen: object = None
    users: int = 0
    idle: threading.Event = field(default_factory=threading.Event)


class VersionManager:
    """Serves the versions of one model.

    Args:
        config: the model.
        load: makes a warm runner of a version folder, or raises with the reason.
        retry_interval_s: the first pause after a failure; doubles up to 64 times this.
    """

    def __init__(
        self, config: ModelConfig, load: Callable[[str], ModelRunner], retry_interval_s: float = 1.0
    ) -> None:
        self.config = config
        self._load = load
        self._retry_interval_s = retry_interval_s
        self._lock = threading.Lock()
        self._versions: dict[int, Version] = {}

    @contextmanager
    def use(self, number: int | None = None) -> Iterator[Version]:
        """Holds a version loaded while a request runs on it.

        Args:
            number: None takes the newest one that is available.

        Raises:
            RequestError: NOT_FOUND where no such version is available.
        """
        with self._lock:
            version = self._available(number)
            version.users += 1
        try:
            yield version
        finally:
            with self._lock:
                version.users -= 1
                if version.users == 0 and version.state == UNLOADING:
                    version.idle.set()

    def _available(self, number: int | None) -> Version:
        ready = [v.number for v in self._versions.values() if v.state == AVAILABLE]
        wanted = max(ready, default=None) if number is None else number
        if wanted is None or wanted not in ready:
            name = self.config.name
            which = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            text = f"Servable not found for request: {which}"
            raise RequestError("NOT_FOUND", text)
        return self._versions[wanted]

    def snapshot(self) -> list[tuple[int, int, str]]:
        """Lists (version, state, error) newest first, those that ended included."""
        with self._lock:
            known = sorted(self._versions.values(), key=lambda v: -v.number)
            return [(v.number, v.state, v.error) for v in known]

    def is_ready(self) -> bool:
        """Says whether at least one version is available."""
        return any(state == AVAILABLE for _, state, _ in self.snapshot())

    def poll(self) -> None:
        """Looks at the folder once: loads what is new, then unloads what is old."""
        found = self._find()
        self._forget_ended(found)
        keep = self._load_wanted(found)
        if not keep:
            return  # nothing good to replace the loaded versions: keep them
        with self._lock:
            old = [v for v in self._versions.values() if v.state == AVAILABLE]
            old = [v for v in old if v.number not in keep]
        for version in old:
            # A slow request must not keep the next version from being found.
            threading.Thread(target=self._unload, args=(version,), daemon=True).start()

    def close(self, timeout_s: float | None = None) -> None:
        """Unloads everything, waiting for the requests that run.

        Args:
            timeout_s: for all versions together; one that is in use still stays loaded. None waits
                for ever.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        for version in list(self._versions.values()):
            if version.state == AVAILABLE:
                self._unload(version, end)

    def _find(self) -> dict[int, str]:
        base = self.config.base_path
        try:
            names = sorted(os.listdir(base))
        except OSError as error:
            _LOG.warning("cannot look into %s: %s", base, error)
            return {}
        numbers = {int(name): name for name in names if name.isascii() and name.isdigit()}
        numbers = {number: name for number, name in numbers.items() if number < _NO_VERSION}
        paths = {number: os.path.join(base, name) for number, name in numbers.items()}
        return {number: path for number, path in paths.items() if os.path.isdir(path)}

    def _forget_ended(self, found: dict[int, str]) -> None:
        with self._lock:
            for number, version in list(self._versions.items()):
                failed = version.state == END and version.failures
                if failed and number not in found and found:
                    del self._versions[number]

    def _load_wanted(self, found: dict[int, str]) -> set[int]:
        """Walks from the newest version down until enough good ones are loaded."""
        if self.config.versions:
            numbers = [number for number in self.config.versions if number in found]
            wanted = len(numbers)
        else:
            numbers = sorted(found, reverse=True)
            wanted = self.config.num_versions or len(numbers)
        good: set[int] = set()
        for number in numbers:
            if len(good) == wanted:
                break
            if self._ensure_loaded(number, found[number]):
                good.add(number)
        return good

    def _ensure_loaded(self, number: int, path: str) -> bool:
        with self._lock:
            version = self._versions.get(number)
            if version is not None and version.state == AVAILABLE:
                return True
            if version is None or (version.state == END and not version.failures):
                version = self._versions[number] = Version(number, path)
            elif version.state != END:
                return False
        seen = _listing(path)
        if version.failures and seen == version.seen and time.monotonic() < version.retry_at:
            return False
        return self._try_load(version, seen)

    def _try_load(self, version: Version, seen: object) -> bool:
        version.state, version.seen = LOADING, seen
        start = time.monotonic()
        try:
            runner = self._load(version.path)
        except Exception as error:  # whatever a foreign folder provokes must not end the polling
            version.failures += 1
            pause = self._retry_interval_s * min(2 ** (version.failures - 1), _MAX_BACK_OFF)
            version.retry_at = time.monotonic() + pause
            version.error, version.state = str(error) or error.__class__.__name__, END
            if version.failures == 1:
                _LOG.warning("version %d is not served: %s", version.number, version.error)
            return False
        with self._lock:
            version.runner, version.error, version.failures = runner, "", 0
            version.state = AVAILABLE
        seconds = time.monotonic() - start
        _LOG.info("%s version %d loaded in %.2f s", self.config.name, version.number, seconds)
        return True

    def _unload(self, version: Version, end: float | None = None) -> None:
        with self._lock:
            if version.state != AVAILABLE:
                return
            version.state = UNLOADING  # no new request can take it from here on
            if version.users == 0:
                version.idle.set()
        if not version.idle.wait(None if end is None else max(0.0, end - time.monotonic())):
            name = self.config.name
            _LOG.warning("%s version %d is left in use by a request", name, version.number)
            return
        runner, version.runner = version.runner, None
        if runner is not None:
            runner.close()
        version.state = END
        _LOG.info("%s version %d unloaded", self.config.name, version.number)


def _listing(path: str) -> object:
    """What a change of shows that somebody is writing, or has repaired, the folder."""
    entries = []
    for parent, _, files in os.walk(path):
        for name in files:
            try:
                stat = os.stat(os.path.join(parent, name))
            except OSError:
                continue
            entries.append((parent, name, stat.st_size, stat.st_mtime_ns))
    return sorted(entries)
