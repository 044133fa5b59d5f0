"""What goes wrong, in one sentence and an exit code that a script can act on."""

from __future__ import annotations

import enum
import errno
import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer

from recsys_tf.spec import SpecError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class ExitCode(enum.IntEnum):
    """What the process tells the shell."""

    OK = 0
    WORK_FAILED = 1
    WRONG_USAGE = 2
    ENVIRONMENT = 3
    DATA_REJECTED = 4
    INTERRUPTED = 130


EXIT_CODES = (
    "Exit codes: 0 done; 1 the work failed (a model was not published, a server refused); "
    "2 wrong usage or configuration; 3 something of the machine is missing (a package, a free "
    "port, disk space, the network); 4 the data was rejected; 130 interrupted."
)
_FULL = "No space left on device"


class Failure(Exception):
    """An end that the person at the terminal can do something about.

    Args:
        message: One sentence: what is wrong and the way out.
        exit_code: What the shell is told.
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.WORK_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class _Debug:
    """Whether errors keep their traceback; set by `recsys-tf --debug`."""

    is_on = False


def set_debug(is_on: bool) -> None:
    """Chooses between one sentence (False) and the traceback (True)."""
    _Debug.is_on = is_on


def reported(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Makes a command end with one sentence on stderr and its exit code, not with a traceback."""

    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            if _Debug.is_on or _is_typers(error):
                raise
            exit_code, message = explain(error)
            typer.echo(message, err=True)
            raise typer.Exit(exit_code) from None

    return run


def _is_typers(error: BaseException) -> bool:
    """Whether Typer knows best: an exit that was asked for, a wrong flag, `| head` gone."""
    is_own = type(error).__module__.startswith(("typer", "click"))
    return is_own or isinstance(error, BrokenPipeError)


def explain(error: BaseException) -> tuple[ExitCode, str]:
    """Returns the exit code and the sentence of an error.

    Example:
        >>> explain(ValueError("`k` must be 1 or more, received 0."))[1]
        'error: `k` must be 1 or more, received 0.'
    """
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "interrupted"
    if isinstance(error, Failure):
        word = "" if error.exit_code == ExitCode.INTERRUPTED else "error: "
        return error.exit_code, f"{word}{error}"
    if _is_disk_full(error):
        return ExitCode.ENVIRONMENT, (
            f"error: the disk is full{_where(error)}; free some space, or write to another disk."
        )
    if isinstance(error, ModuleNotFoundError):
        return ExitCode.ENVIRONMENT, (
            f"error: the package {error.name!r} is not installed; `recsys-tf doctor` says which "
            "extra brings it."
        )
    if isinstance(error, (ImportError, MemoryError)):
        return ExitCode.ENVIRONMENT, f"error: {_text(error)}"
    if isinstance(error, FileNotFoundError):
        return ExitCode.WRONG_USAGE, f"error: {_os_text(error)}"
    if isinstance(error, OSError):
        return ExitCode.ENVIRONMENT, f"error: {_os_text(error)}"
    if isinstance(error, (SpecError, ValueError, TypeError, KeyError)):
        return ExitCode.WRONG_USAGE, f"error: {_text(error)}"
    first_line = (str(error).splitlines() or [""])[0]
    return ExitCode.WORK_FAILED, (
        f"error: {type(error).__name__}: {first_line} (`recsys-tf --debug ...` shows where)"
    )


@contextmanager
def failing_with(exit_code: ExitCode, *kinds: type[Exception]) -> Iterator[None]:
    """Gives errors of these kinds an exit code of their own.

    Args:
        exit_code: What the shell is told.
        *kinds: Classes whose text is written for people.
    """
    try:
        yield
    except kinds as error:
        raise Failure(_text(error), exit_code) from error


def check_writable(folder: Path, option: str) -> None:
    """Makes a folder and writes into it, so that hours of work do not end at a closed door.

    Args:
        folder: Where results will go.
        option: The option that named it, for the error.

    Raises:
        Failure: If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"recsys_tf")
    except OSError as error:
        raise Failure(
            f"`{option}` {folder} cannot be written: {error.strerror or error}; name another "
            "folder.",
            ExitCode.ENVIRONMENT,
        ) from error


def _text(error: BaseException) -> str:
    # A KeyError's text is the repr of its argument.
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


def _os_text(error: OSError) -> str:
    if error.errno is None:
        return str(error)
    return f"{error.filename or 'input/output'}: {error.strerror}"


def _where(error: BaseException) -> str:
    name = getattr(error, "filename", None)
    return f" at {name}" if name else ""


def _is_disk_full(error: BaseException | None) -> bool:
    # TensorFlow and HDF5 wrap the system's error in their own, sometimes as text alone.
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or _FULL in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
