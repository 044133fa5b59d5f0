"""`recsys-tf export`: a trained model as a SavedModel that a server picks up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys_tf.cli.console import OUT, say
from recsys_tf.cli.failures import ExitCode, Failure, check_writable, reported
from recsys_tf.cli.kinds import RunKind, load_run
from recsys_tf.cli.options import DataFolder, RunFolderOption
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.types import MAX_VERSION


@reported
def export(
    run: RunFolderOption,
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the served model; gets a version folder.")
    ],
    version: Annotated[
        int | None,
        typer.Option(
            "--version",
            min=1,
            max=MAX_VERSION,
            help="Its number; one above the highest by default.",
        ),
    ] = None,
    data_dir: DataFolder = None,
) -> None:
    """Write a trained model as a SavedModel for a server.

    It goes into a new, numbered version folder. A server that watches the folder takes the new
    version up by itself; it never sees half of one. Calibrations, and the weights of a goal
    (export.goal), are fitted on the validation rows.

    The SavedModel of a table's ranker judges rows, by its signature `rank`.

    Examples:
      recsys-tf export --run runs/first --out models/recommender
      recsys-tf serve --model-dir models/recommender
    """
    folder = RunFolder(run)
    config = folder.config(data_dir)
    check_writable(out, "--out")
    number = version if version is not None else newest_version(out) + 1
    target = out / str(number)
    if target.exists():
        raise Failure(
            f"`--version` {number} is taken in {out}; the next free one is "
            f"{newest_version(out) + 1}.",
            ExitCode.WRONG_USAGE,
        )
    kind = load_run(config)
    _check_data(folder, kind)
    folder.use_saved_features(kind.data)
    kind.export(folder.load_model(), target)
    OUT.print(f"{target} is ready. Next: recsys-tf serve --model-dir {out}")


def _check_data(folder: RunFolder, kind: RunKind) -> None:
    """Refuses changed data where something is fitted to them, and tells of them elsewhere."""
    change = folder.data_change(kind.source)
    if change is None:
        return
    fitted = kind.data.config.export.fitted
    if fitted:
        raise Failure(
            f"{change}; the validation rows of these, which {' and '.join(fitted)} are fitted to, "
            "may have been trained on. Name the folder of the former data with `--data-dir`, or "
            "train a run on these.",
            ExitCode.DATA_REJECTED,
        )
    exported = "the catalogue" if kind.has_users else "nothing"
    say(f"{change}; {exported} of these is exported")


def newest_version(folder: Path) -> int:
    """Returns the highest number among the versions of a folder, 0 where there is none.

    Withdrawn ones count: a server may still know such a number by its model.
    """
    from pipeline.publishing import versions, withdrawn

    return max([*versions(folder), *withdrawn(folder)], default=0)
