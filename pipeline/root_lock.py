"""A pipeline's folder belongs to one run at a time. Needs no TFX."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


class PipelineError(RuntimeError):
    """A run failed; the text says where, why, and in which file the rest stands."""


@contextlib.contextmanager
def only_run(root: Path) -> Iterator[None]:
    """Keeps other runs out of the folder.

    Args:
        root: Folder of the pipeline; made where it is not there.

    Raises:
        PipelineError: If another run, of this process or any other, is at work in it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as file:
        try:
            # The kernel takes it back from a run that is killed.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PipelineError(
                f"Another run is at work in {root}; wait for its end, or give this one a `root` of "
                "its own."
            ) from None
        yield
