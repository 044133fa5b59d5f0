"""`recsys-tf withdraw`: takes a published version back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys_tf.cli.console import OUT
from recsys_tf.cli.failures import ExitCode, failing_with, reported


@reported
def withdraw(
    model_dir: Annotated[
        Path, typer.Option("--model-dir", help="Folder of the numbered version folders.")
    ],
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Its number; the newest by default.")
    ] = None,
    allow_empty: Annotated[
        bool,
        typer.Option(
            "--allow-empty", help="Take back even the only version; servers are left without one."
        ),
    ] = False,
) -> None:
    """Take a published version back.

    A server that watches the folder goes on with the newest version that is left. No run of the
    pipeline publishes that model again, until its file in the folder `withdrawn` is deleted.

    Examples:
      recsys-tf withdraw --model-dir pipelines/mine/serving/recommender
      recsys-tf withdraw --model-dir pipelines/mine/serving/recommender --version 1795328886
    """
    from pipeline import publishing

    with failing_with(ExitCode.WORK_FAILED, publishing.PublishError):
        done = publishing.withdraw(model_dir, version, allow_empty=allow_empty)
    left = "no version is left" if done.newest is None else f"the newest is {done.newest} now"
    OUT.print(
        f"Version {done.version} is withdrawn, {left}. Its model is not published again; to admit "
        f"it, delete {done.manifest}",
        markup=False,
    )
