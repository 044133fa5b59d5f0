"""`recsys-tf train`: fits a model and keeps it with all that is needed to use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys_tf.cli.console import OUT, say, stage
from recsys_tf.cli.failures import ExitCode, Failure, failing_with, reported
from recsys_tf.cli.kinds import RunKind, load_run
from recsys_tf.cli.options import (
    Changes,
    ConfigFile,
    DataFolder,
    DatasetName,
    PresetName,
    run_config,
)
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.config import RunConfig

if TYPE_CHECKING:
    import keras


@reported
def train(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")],
    config: ConfigFile = None,
    preset: PresetName = None,
    dataset: DatasetName = None,
    data_dir: DataFolder = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="At the most.")] = None,
    changes: Changes = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what `--out` holds.")
    ] = False,
) -> None:
    """Train a model, from its last checkpoint if there is one.

    The same command, without --overwrite, goes on where a killed or interrupted run ended, over
    the same data only. The folder gets model.keras, run.yaml (the configuration), data.json (which
    data it was trained on), features (the fitted preprocessing) and history.json (losses and
    metrics by epoch), all of them or none. After the first epoch the self-checks tell what looks
    wrong, a line each; training.self_checks=false leaves them out. A configuration with a
    `sequence` trains a sequential recommender, one with a `table` a ranker of its rows.

    Examples:
      recsys-tf train --dataset ml-100k --out runs/first
      recsys-tf train --preset ml-1m-sequences --out runs/sequences
      recsys-tf train --config run.yaml --set training.epochs=3 --out runs/short
    """
    changes = [*(changes or ()), *([f"training.epochs={epochs}"] if epochs else ())]
    run = run_config(config, preset, dataset, data_dir, changes)
    folder = RunFolder(out)
    is_resumed = folder.claim(run, is_overwriting=overwrite)
    kind = load_run(run)
    folder.claim_data(kind.source)
    with stage("fitting the preprocessing, building the model"):
        model = kind.build()
    if is_resumed:
        say("going on from the last checkpoint")
    history = _fit(run, kind, model, folder, is_overwriting=overwrite)
    with stage(f"saving {out}"):
        folder.save(run, model, kind.data.state, history)
    OUT.print(
        f"{out} is trained. Next: recsys-tf evaluate --run {out}, or "
        f"recsys-tf export --run {out} --out models/{run.pipeline.name}"
    )


def _fit(
    run: RunConfig,
    kind: RunKind,
    model: keras.Model,
    folder: RunFolder,
    *,
    is_overwriting: bool = False,
) -> dict[str, list[float]]:
    """Trains the model, and says where to go on when Ctrl-C ends it."""
    from recsys_tf.cli.training_watch import TrainingWatch
    from recsys_tf.training import NonFiniteLossError, fit

    train_rows, validation_rows = kind.train_batches(model), kind.validation_batches(model)
    watch = TrainingWatch(folder.unfinished / "epochs.jsonl", int(train_rows.cardinality()))
    try:
        with failing_with(ExitCode.WORK_FAILED, NonFiniteLossError):
            fit(
                model,
                train_rows,
                validation_rows,
                run.training,
                checkpoint_folder=folder.checkpoints,
                callbacks=[watch],
                tell=say,
                verbose=0,
            )
    except KeyboardInterrupt:
        # Before the first checkpoint there is nothing that `--overwrite` would drop.
        changed = " without `--overwrite`" if is_overwriting and folder.has_checkpoint else ""
        raise Failure(
            f"interrupted after {watch.num_epochs_done} of {run.training.epochs} epochs; the same "
            f"command{changed} goes on from there.",
            ExitCode.INTERRUPTED,
        ) from None
    finally:
        watch.close()
    return watch.history()
