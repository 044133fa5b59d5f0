"""Sends what TFX, Beam, absl and TensorFlow say into a file while a pipeline runs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def quietly(log: Path) -> Iterator[None]:
    """Appends all logging, and what C++ code writes to the standard error, to a file.

    What Python writes to `sys.stderr` still reaches the terminal, so that a progress bar lives.

    Args:
        log: The file.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # Beam makes thousands of option parsers, each of which looks on the disk for translations.
    os.environ["LANGUAGE"] = "C"
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    sys.stderr.flush()
    with log.open("a", encoding="utf-8") as file, contextlib.ExitStack() as stack:
        terminal = stack.enter_context(
            os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace", buffering=1)
        )
        kept_descriptor, kept_stream = os.dup(2), sys.stderr
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        try:
            root.handlers, root.level = [handler], logging.INFO
            logging.captureWarnings(True)
            os.dup2(file.fileno(), 2)
            if getattr(kept_stream, "fileno", None) and _is_descriptor_2(kept_stream):
                sys.stderr = terminal
            with warnings.catch_warnings():
                yield
        finally:
            sys.stderr = kept_stream
            os.dup2(kept_descriptor, 2)
            os.close(kept_descriptor)
            logging.captureWarnings(False)
            root.handlers, root.level = handlers, level


def _is_descriptor_2(stream: object) -> bool:
    try:
        return stream.fileno() == 2  # type: ignore[attr-defined]
    except (OSError, ValueError):
        return False  # A test's or a notebook's stream has no descriptor.
