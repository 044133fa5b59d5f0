"""`recsys-tf evaluate`: a trained model beside the baselines."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from recsys_tf.cli.console import bar, metrics_table, print_table, stage, to_json
from recsys_tf.cli.failures import ExitCode, Failure, failing_with, reported
from recsys_tf.cli.kinds import RunKind, load_run
from recsys_tf.cli.options import AsJson, DataFolder, RunFolderOption
from recsys_tf.cli.run_folder import RunFolder

if TYPE_CHECKING:
    import keras

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
        str,
        typer.Option(
            "--baselines",
            help="Comma-separated: popularity, bias, item_knn, ease, implicit_als, bpr; or none.",
        ),
    ] = DEFAULT_BASELINES,
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

    Examples:
      recsys-tf evaluate --run runs/first
      recsys-tf evaluate --run runs/first --baselines popularity,ease,implicit_als --json
    """
    names = _baseline_names(baselines)
    folder = RunFolder(run)
    config = folder.config(data_dir)
    kind = load_run(config)
    data = kind.data
    change = folder.data_change(data.interactions)
    if change is not None:
        raise Failure(
            f"{change}; held-out rows of these may have been trained on. Name the folder "
            "of the former data with `--data-dir`, or train a run on these.",
            ExitCode.DATA_REJECTED,
        )
    folder.use_saved_features(data)
    columns = {"model": _model_metrics(folder.load_model(), kind, part.value)}
    columns |= baseline_metrics(data, part.value, names)
    if as_json:
        typer.echo(to_json(columns))
        return
    shown = [name for name in columns["model"] if is_all or _is_headline(name)]
    print_table(metrics_table(columns, shown), f"{config.data.dataset}, {part.value} rows")


def baseline_metrics(
    data: PreparedData, part: str, names: Sequence[str]
) -> Mapping[str, dict[str, float]]:
    """Trains and measures baselines, one after the other with a line each."""
    from recsys_tf.evaluation import evaluate_baselines

    columns: dict[str, dict[str, float]] = {}
    for name in names:
        with stage(f"training and measuring the baseline {name}"):
            columns |= evaluate_baselines(data, part, [name])  # type: ignore[arg-type]
    return columns


def _baseline_names(text: str) -> list[str]:
    from recsys_tf.baselines import BASELINES
    from recsys_tf.naming import look_up

    names = [name.strip() for name in text.split(",") if name.strip() not in ("", "none")]
    with failing_with(ExitCode.WRONG_USAGE, ValueError):
        for name in names:
            look_up(BASELINES, name, "--baselines")
    return names


def _model_metrics(model: keras.Model, kind: RunKind, part: str) -> dict[str, float]:
    data = kind.data
    rows = data.rows(part)  # type: ignore[arg-type]
    users = data.interactions.events[data.schema.user_id].iloc[rows].nunique()
    with bar("measuring the model", users) as advance:
        return kind.measure(model, part, advance)  # type: ignore[arg-type]


def _is_headline(name: str) -> bool:
    return name.partition("/")[2].startswith(HEADLINES)
