"""What a run tells its caller while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str], object]
"""Takes one line in plain words."""

_listeners: list[Progress] = []


@contextmanager
def listening(progress: Progress | None) -> Iterator[None]:
    """Sends every `tell` to `progress` while the block runs."""
    if progress is None:
        yield
        return
    _listeners.append(progress)
    try:
        yield
    finally:
        _listeners.remove(progress)


def tell(line: str) -> None:
    """Tells the caller of the run one line; TFX's components have no other way to reach it."""
    for listener in list(_listeners):
        listener(line)
