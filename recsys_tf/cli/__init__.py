"""The command line: `recsys-tf COMMAND`.

Each command imports what it runs when it runs, so that `--help` and a wrong option answer without
loading TensorFlow.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from recsys_tf import __version__
from recsys_tf.cli import (
    data,
    demo,
    doctor,
    evaluate,
    export,
    pipeline,
    profile,
    recommend,
    serve,
    train,
    withdraw,
)
from recsys_tf.cli.failures import EXIT_CODES, set_debug

__all__ = ["app", "main"]


class _Group(TyperGroup):
    """Takes `--debug` wherever it stands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Moves `--debug` to the front."""
        rest = [each for each in args if each != "--debug"]
        return super().parse_args(ctx, ["--debug", *rest] if len(rest) < len(args) else rest)


app = typer.Typer(
    name="recsys-tf",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"recsys_tf {__version__}")
        raise typer.Exit


def _help(command: Callable[..., Any]) -> str:
    """Returns a docstring whose examples keep their lines."""
    text = inspect.getdoc(command) or ""
    return text.replace("\n\nExample", "\n\n\b\nExample")


def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Recommenders from raw interactions to a served answer.

    Examples:
      recsys-tf doctor
      recsys-tf demo --dataset synthetic
      recsys-tf train --dataset ml-100k --out runs/first
    """
    set_debug(debug)


_COMMANDS: dict[str, Callable[..., Any]] = {
    # In the order in which a newcomer meets them.
    "demo": demo.demo,
    "data": data.data,
    "train": train.train,
    "evaluate": evaluate.evaluate,
    "profile": profile.profile,
    "export": export.export,
    "serve": serve.serve,
    "recommend": recommend.recommend,
    "pipeline": pipeline.pipeline,
    "withdraw": withdraw.withdraw,
    "doctor": doctor.doctor,
}
app.callback(help=_help(_options), epilog=EXIT_CODES)(_options)
for _name, _command in _COMMANDS.items():
    app.command(_name, help=_help(_command))(_command)


def main() -> None:
    """Runs the console script."""
    if "--debug" not in sys.argv:
        # TensorFlow reads it when it loads. What it tells its developers, and other libraries
        # tell theirs, is not for the person who asked for results; an error still is raised.
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"keras|tf_keras|google")
    app(prog_name="recsys-tf")
