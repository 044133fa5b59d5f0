"""`recsys-tf evaluate`: a trained model beside the baselines."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from recsys_tf.cli.console import bar, metrics_table, print_table, say, stage, to_json
from recsys_tf.cli.failures import ExitCode, failing_with, reported
from recsys_tf.cli.finished_runs import (
    check_comparable,
    check_without_users,
    prepared_run,
    run_beside,
)
from recsys_tf.cli.kinds import HeldOutPart, RunKind, kind_of
from recsys_tf.cli.options import AsJson, Changes, DataFolder, RunFolderOption, changed_run
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.config import RunConfig

if TYPE_CHECKING:
    from recsys_tf.evaluation import Measurements, TableMeasurements
    from recsys_tf.metrics import PairedTest
    from recsys_tf.preparation import PreparedData

DEFAULT_BASELINES = "popularity,bias,ease"
# Of each task, unless `--all` is given.
HEADLINES = ("hit_at_", "ndcg_at_", "coverage_at_", "rmse", "auc", "accuracy", "f1")


class HeldOut(str, enum.Enum):
    """The parts that a model has not learned from."""

    VALIDATION = "validation"
    TEST = "test"


@reported
def evaluate(
    run: RunFolderOption,
    part: Annotated[HeldOut, typer.Option("--part", help="Rows to measure on.")] = HeldOut.TEST,
    baselines: Annotated[
        str | None,
        typer.Option(
            "--baselines",
            help="Comma-separated: popularity, bias, item_knn, ease, implicit_als, bpr; or none. "
            f"By default {DEFAULT_BASELINES}.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Another run of the same data and split, to test beside."),
    ] = None,
    changes: Changes = None,
    is_all: Annotated[bool, typer.Option("--all", help="Print every metric.")] = False,
    data_dir: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Measure a trained model and baselines beside it.

    Measured is on rows that neither has learned from; data that have changed since the training are
    refused. For the test rows the baselines learn from the validation rows too, which the model is
    only chosen by: the comparison is with baselines as strong as they can be. Retrieval ranks the
    whole catalogue for each user, leaving out what the user has met. hit@K is the share of the
    held-out rows whose item is among the first K; ndcg@K and coverage@K are means over users and
    over the catalogue.

    Further metrics, slices by features and bootstrap intervals are told where `evaluation` of the
    run names them, or --set does. --against tests whether the run differs from another on the same
    users: the differences, run minus other, with their intervals and p values.

    A table's rows are measured by the metrics of their tasks; baselines and --against need users.

    Examples:
      recsys-tf evaluate --run runs/first
      recsys-tf evaluate --run runs/first --baselines popularity,ease,implicit_als --json
      recsys-tf evaluate --run runs/first --set evaluation.slices=[gender]
      recsys-tf evaluate --run runs/first --against runs/second
    """
    names = _baseline_names(DEFAULT_BASELINES if baselines is None else baselines)
    rows = cast("HeldOutPart", part.value)
    folder = RunFolder(run)
    config = _changed(folder.config(data_dir), changes or ())
    if not kind_of(config).has_users:
        names = [] if baselines is None else names
        check_without_users(names, against)
    if against is not None:
        check_comparable(folder, RunFolder(against), data_dir)
    kind = prepared_run(folder, config)
    # What is wrong with the other run is told before anything long.
    other = None if against is None else run_beside(kind, RunFolder(against), data_dir, rows)
    evaluation = config.evaluation
    measured = measured_run(folder, kind, rows)
    columns = {"model": measured.metrics}
    with stage("drawing resamples for intervals") if evaluation.confidence else nullcontext():
        intervals = measured.intervals()
    slices = measured.slices()
    if names:
        columns |= baseline_metrics(cast("PreparedData", kind.data), rows, names)
    heads = (*HEADLINES, *evaluation.metrics)
    shown = [n for n in columns["model"] if is_all or n.partition("/")[2].startswith(heads)]
    tests = {}
    if other is not None:
        measured_beside = measured_run(*other, rows)
        columns["against"] = measured_beside.metrics
        both = cast("Measurements", measured), cast("Measurements", measured_beside)
        tests = _tests(*both, shown)
        if not tests:
            say("no metric is told of both runs: their tasks have other names or kinds")
    if as_json:
        told = {"intervals": intervals, "slices": slices, "paired": _plain(tests)}
        typer.echo(to_json({**columns, **{name: each for name, each in told.items() if each}}))
        return
    columns |= _bounds(intervals)
    print_table(metrics_table(columns, shown), f"{config.data.dataset}, {part.value} rows")
    counts = ("num_users", "num_rows")
    for feature in evaluation.slices:
        own = {n: each for n, each in slices.items() if n.startswith(f"{feature}=")}
        # An item's feature tells nothing of users' lists.
        names = [n for n in next(iter(own.values()), {}) if n in shown or n.endswith(counts)]
        print_table(metrics_table(own, names), f"\nby {feature}")
    if tests:
        print_table(metrics_table(_turned(_plain(tests))), f"\n{run} minus {against}")


def baseline_metrics(
    data: PreparedData, part: HeldOutPart, names: Sequence[str]
) -> Mapping[str, dict[str, float]]:
    """Trains and measures baselines, one after the other with a line each."""
    from recsys_tf.evaluation import evaluate_baselines

    def around(name: str) -> AbstractContextManager[object]:
        return stage(f"training and measuring the baseline {name}")

    return evaluate_baselines(data, part, names, around=around)


def _baseline_names(text: str) -> list[str]:
    from recsys_tf.baselines import BASELINES
    from recsys_tf.naming import look_up

    names = [name.strip() for name in text.split(",") if name.strip() not in ("", "none")]
    with failing_with(ExitCode.WRONG_USAGE, ValueError):
        for name in names:
            look_up(BASELINES, name, "--baselines")
    return names


def measured_run(
    folder: RunFolder, kind: RunKind, part: HeldOutPart
) -> Measurements | TableMeasurements:
    """Measures the model of a run on its data."""
    model = folder.load_model()
    with bar("measuring the model", kind.num_measured(part)) as advance:
        return kind.measure(model, part, advance)


def _changed(config: RunConfig, changes: Sequence[str]) -> RunConfig:
    """Changes what is measured: nothing else of a trained run can be changed."""
    wrong = [each for each in changes if not each.startswith("evaluation.")]
    if wrong:
        raise typer.BadParameter(
            f"a trained run is measured as it is; only fields of `evaluation` can be set, "
            f"received {wrong[0]!r}",
            param_hint="--set",
        )
    return changed_run(config, changes)


def _tests(
    measured: Measurements, other: Measurements, shown: Sequence[str]
) -> dict[str, PairedTest]:
    from recsys_tf.evaluation import compare, testable

    common = set(testable(measured)) & set(testable(other))
    level = measured.data.config.evaluation.confidence or 0.95
    with stage("testing the differences"):
        return compare(measured, other, [name for name in shown if name in common], level)


def _plain(tests: Mapping[str, PairedTest]) -> dict[str, dict[str, float]]:
    return {name: asdict(each) for name, each in tests.items()}


def _turned(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Makes columns of rows."""
    columns = dict.fromkeys(name for row in rows.values() for name in row)
    return {column: {name: row[column] for name, row in rows.items()} for column in columns}


def _bounds(intervals: Mapping[str, tuple[float, float]]) -> dict[str, dict[str, float]]:
    if not intervals:
        return {}
    return {
        side: {name: bounds[place] for name, bounds in intervals.items()}
        for place, side in enumerate(("low", "high"))
    }
