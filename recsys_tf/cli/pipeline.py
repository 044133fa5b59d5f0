"""`recsys-tf pipeline`: the TFX pipeline, told in plain words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys_tf.cli.console import ERR, OUT, plain_table, print_table, readable, say, stage, to_json
from recsys_tf.cli.failures import ExitCode, check_writable, failing_with, reported
from recsys_tf.cli.installed import require
from recsys_tf.cli.loading import load_prepared
from recsys_tf.cli.options import (
    AsJson,
    Changes,
    ConfigFile,
    DataFolder,
    DatasetName,
    PresetName,
    run_config,
)
from recsys_tf.config import RunConfig

if TYPE_CHECKING:
    from pipeline.results import PipelineResult
    from recsys_tf.preparation import PreparedData


@reported
def pipeline(
    root: Annotated[
        Path, typer.Option("--root", help="Folder of the pipeline: artifacts, cache, versions.")
    ],
    config: ConfigFile = None,
    preset: PresetName = None,
    dataset: DatasetName = None,
    data_dir: DataFolder = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Run the TFX pipeline and publish a model that passes.

    It checks the data, trains, and evaluates by slice. What has not changed since the last run
    comes from the cache. A model that misses a bound, is worse than the one in service, or was
    withdrawn, is not published, and the exit code is 1.

    Examples:
      recsys-tf pipeline --dataset ml-100k --root pipelines/ml-100k
      recsys-tf pipeline --config run.yaml --root pipelines/mine --json
    """
    require("pipeline", "pipeline")
    run = run_config(config, preset, dataset, data_dir, changes)
    run.check_pipeline()
    check_writable(root, "--root")
    result = run_told(run, root, load_prepared(run))
    if as_json:
        typer.echo(to_json(result_dict(result)))
    else:
        print_table(slice_table(result.metrics))
        OUT.print(_verdict(result), markup=False)
    if not result.is_published:
        raise typer.Exit(ExitCode.WORK_FAILED)


def run_told(run: RunConfig, root: Path, data: PreparedData) -> PipelineResult:
    """Runs the pipeline with a line a component.

    Raises:
        Failure: If a component fails.
    """
    with stage("loading TFX"):
        from pipeline.root_lock import PipelineError
        from pipeline.runner import run_pipeline

    with failing_with(ExitCode.WORK_FAILED, PipelineError), _Teller() as teller:
        return run_pipeline(run, root, data, teller)


def result_dict(result: PipelineResult) -> dict[str, Any]:
    """Returns a result as plain values for JSON."""
    return {
        "is_blessed": result.is_blessed,
        "reasons": list(result.reasons),
        "version": result.version,
        "path": None if result.path is None else str(result.path),
        "metrics": {name: dict(values) for name, values in result.metrics.items()},
        "seconds": {each.name: each.seconds for each in result.components},
        "cached": [each.name for each in result.components if each.is_cached],
    }


def slice_table(metrics: Any, names: tuple[str, ...] = ()) -> Any:
    """Lays metrics by slice out: a row a slice, a column a metric.

    Args:
        metrics: Values by slice and `<task>/<metric>`.
        names: The metrics to show; empty shows each task's headline.
    """
    overall = metrics.get("overall", {})
    hidden = _twice_told(overall)
    shown = names or tuple(
        name for name in overall if name.endswith(("rmse", "auc", "_at_10")) and name not in hidden
    )
    table = plain_table()
    table.add_column("held-out rows")
    for name in shown:
        table.add_column(readable(name), justify="right")
    for name, values in metrics.items():
        table.add_row(name.replace("=", " "), *(_cell(values.get(each)) for each in shown))
    return table


def _twice_told(overall: Any) -> set[str]:
    """Returns which of retrieval's metrics and the answers' to leave out: the latter, if equal."""
    pairs = {name: name.replace("/answered_", "/") for name in overall if "/answered_" in name}
    is_same = all(overall[name] == overall.get(pairs[name]) for name in pairs)
    return set(pairs) if is_same else set(pairs.values())


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _verdict(result: PipelineResult) -> str:
    if result.path is None:
        return f"Not published: {'; '.join(result.reasons)}"
    return (
        f"Published as {result.path}. Next: recsys-tf serve --model-dir {result.path.parent} "
        f"--model-name {result.path.parent.name}"
    )


class _Teller:
    """Shows the component that runs and prints a line for each that is done.

    The pipeline tells `Name: what it does`, then `Name: done in 1.2 s` or `from the cache`; what it
    tells of `Data` and of `Serving` is of no component.
    """

    def __init__(self) -> None:
        self._does: dict[str, str] = {}
        self._status = ERR.status("")
        self._start_s = time.monotonic()

    def __enter__(self) -> _Teller:
        self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._status.stop()

    def __call__(self, line: str) -> None:
        name, _, text = line.partition(": ")
        if name in self._does and text.startswith(("done in", "from the cache")):
            is_cached = text == "from the cache"
            seconds = None if is_cached else time.monotonic() - self._start_s
            say(f"{name}: {self._does.pop(name)}", seconds, note="cached")
        elif name in self._does or name in ("Data", "Serving"):
            say(f"  {line}")
        elif name.isidentifier() and name != "Published":
            self._does[name], self._start_s = text, time.monotonic()
            self._status.update(f"{line} ...")
