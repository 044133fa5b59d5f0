"""`recsys-tf profile`: where the time of a training step goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from recsys_tf.cli.console import OUT, plain_table, print_table, stage, to_json
from recsys_tf.cli.failures import ExitCode, Failure, reported
from recsys_tf.cli.kinds import load_run
from recsys_tf.cli.options import (
    AsJson,
    Changes,
    ConfigFile,
    DataFolder,
    DatasetName,
    PresetName,
    run_config,
)

if TYPE_CHECKING:
    from recsys_tf.step_profile import StepProfile


@reported
def profile(
    config: ConfigFile = None,
    preset: PresetName = None,
    dataset: DatasetName = None,
    data_dir: DataFolder = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often it is timed.")] = 20,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", help="Folder for a trace of each operation, for TensorBoard."),
    ] = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Show where the time of a training step goes.

    The model of a run is built, not trained; its step is timed part by part on one batch, and the
    input beside it. Training waits for its input only where a batch takes longer than a step.

    Examples:
      recsys-tf profile --dataset ml-100k
      recsys-tf profile --config run.yaml --set model.multitask=ple --trace traces/ple
    """
    run = run_config(config, preset, dataset, data_dir, changes)
    kind = load_run(run)
    from recsys_tf.step_profile import profile_step
    from recsys_tf.training import compile_model

    with stage("fitting the preprocessing, building the model"):
        model = kind.build()
        batches = kind.train_batches(model)
        num_steps = int(batches.cardinality())
        if num_steps < 2:
            raise Failure(
                f"a profile needs two batches of training rows, received {num_steps}; lower "
                f"`training.batch_size`, {run.training.batch_size:,}.",
                ExitCode.WRONG_USAGE,
            )
        compile_model(model, run.training, num_steps)
    with stage("timing the step"):
        found = profile_step(model, batches, num_rounds=rounds, trace_folder=trace)
    if as_json:
        times = {f"{name}_ms": ms for name, ms in found.milliseconds.items()}
        typer.echo(to_json(times))
        return
    print_table(_table(found), f"one step of {run.training.batch_size:,} rows")
    OUT.print(_verdict(found, num_steps))


def _table(found: StepProfile) -> Table:
    table = plain_table()
    table.add_column("part")
    table.add_column("ms", justify="right")
    table.add_column("share", justify="right")
    for name, ms in found.milliseconds.items():
        is_beside = name == "input"
        share = "" if is_beside else f"{ms / found.whole:.0%}"
        table.add_row("input, beside it" if is_beside else name, f"{ms:.2f}", share)
    return table


def _verdict(found: StepProfile, num_steps: int) -> str:
    seconds = num_steps * max(found.whole, found.input) / 1e3
    slower = "the input, which the step waits for" if found.input > found.whole else "the step"
    return f"An epoch of {num_steps:,} steps takes about {seconds:.1f} s; it is bound by {slower}."
