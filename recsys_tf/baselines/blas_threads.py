"""One BLAS thread, for libraries that have threads of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Holds BLAS at one thread and puts things back at the end.

    `implicit` runs its loops in threads of its own, is slower where BLAS adds others, and warns
    when it is loaded; so import it inside.

    Example:
        >>> with one_blas_thread():
        ...     os.environ["OPENBLAS_NUM_THREADS"]
        '1'
    """
    variable = "OPENBLAS_NUM_THREADS"
    before = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        # `threadpoolctl` comes with `implicit`, which says what is missing without it.
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        limits: contextlib.AbstractContextManager[object] = threadpool_limits(1, "blas")
    except ImportError:
        limits = contextlib.nullcontext()
    try:
        with limits:
            yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before
