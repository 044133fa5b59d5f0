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
from recsys_tf.cli.failures import ExitCode, Failure, failing_with, reported
from recsys_tf.cli.kinds import HeldOutPart, RunKind, kind_of, load_run
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
        _check_without_users(names, against)
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


def _check_without_users(names: Sequence[str], against: Path | None) -> None:
    """Refuses what needs users, of a run whose rows are of nobody."""
    if names:
        raise Failure(
            f"`--baselines` must be none for a table, received {', '.join(names)}: baselines learn "
            "from users and items.",
            ExitCode.WRONG_USAGE,
        )
    if against is not None:
        raise Failure(
            f"`--against` must be left out for a table, received {against}: it compares lists and "
            "rows of users. Measure each run by itself, with `--set evaluation.confidence=0.95`.",
            ExitCode.WRONG_USAGE,
        )


def prepared_run(folder: RunFolder, config: RunConfig) -> RunKind:
    """Reads the data of a finished run.

    Raises:
        Failure: If the data have changed since the training.
    """
    kind = load_run(config)
    change = folder.data_change(kind.source)
    if change is not None:
        raise Failure(
            f"{change}; held-out rows of these may have been trained on. Name the folder "
            "of the former data with `--data-dir`, or train a run on these.",
            ExitCode.DATA_REJECTED,
        )
    folder.use_saved_features(kind.data)
    return kind


def measured_run(
    folder: RunFolder, kind: RunKind, part: HeldOutPart
) -> Measurements | TableMeasurements:
    """Measures the model of a run on its data."""
    model = folder.load_model()
    with bar("measuring the model", kind.num_measured(part)) as advance:
        return kind.measure(model, part, advance)


def run_beside(
    first: RunKind, folder: RunFolder, data_dir: Path | None, part: HeldOutPart
) -> tuple[RunFolder, RunKind]:
    """Reads the data of another run, which is measured as the first one is.

    Lists of both are of one kind and length. Slices and intervals are told of the first alone, and
    a sequential recommender judges no rows.

    Raises:
        Failure: As `prepared_run`.
        ValueError: If the two are not asked the same; see `check_same_questions`.
    """
    from recsys_tf.evaluation import check_same_questions
    from recsys_tf.metrics import ROW_METRICS

    config, evaluation = folder.config(data_dir), first.data.config.evaluation
    if not kind_of(config).has_users:
        _check_without_users([], folder.path)
    told: dict[str, object] = {"slices": (), "confidence": None}
    if config.sequence is not None:
        told["metrics"] = tuple(each for each in evaluation.metrics if each not in ROW_METRICS)
    evaluation = evaluation.model_copy(update=told)
    kind = prepared_run(folder, config.model_copy(update={"evaluation": evaluation}))
    both = cast("PreparedData", first.data), cast("PreparedData", kind.data)
    check_same_questions(*both, part)
    return folder, kind


def check_comparable(folder: RunFolder, other: RunFolder, data_dir: Path | None) -> None:
    """Checks that two runs hold out the same rows of the same data.

    Raises:
        Failure: If they do not, or one of them is no finished run.
    """
    configs = [each.config(data_dir).data for each in (folder, other)]
    fields = ("dataset", "split", "test_share", "validation_share", "seed")
    different = [f for f in fields if getattr(configs[0], f) != getattr(configs[1], f)]
    if different:
        pairs = ", ".join(
            f"data.{each}: {getattr(configs[0], each)} and {getattr(configs[1], each)}"
            for each in different
        )
        raise Failure(
            f"`--against` {other.path} must be of the data and split of {folder.path}, received "
            f"{pairs}; the models were not asked the same.",
            ExitCode.WRONG_USAGE,
        )
    prints = [each.data_fingerprint() for each in (folder, other)]
    if None not in prints and prints[0] != prints[1]:
        raise Failure(
            f"`--against` {other.path} was trained on {prints[1]}, and {folder.path} on "
            f"{prints[0]}; compare runs of the same data.",
            ExitCode.DATA_REJECTED,
        )


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
