"""The data of finished runs: of one that is measured, and of another beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from recsys_tf.cli.failures import ExitCode, Failure
from recsys_tf.cli.kinds import HeldOutPart, RunKind, kind_of, load_run
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.config import RunConfig

if TYPE_CHECKING:
    from recsys_tf.preparation import PreparedData

# What the ways of splitting read of `data`, besides the events.
_READ_BY_SPLIT = {
    "time": ("test_share", "validation_share"),
    "last_out": (),
    "random": ("test_share", "validation_share", "seed"),
}


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


def check_without_users(names: Sequence[str], against: Path | None) -> None:
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


def run_beside(
    first: RunKind, folder: RunFolder, data_dir: Path | None, part: HeldOutPart
) -> tuple[RunFolder, RunKind]:
    """Reads the data of another run, which is measured as the first one is.

    Lists of both are of one kind and length. Slices and intervals are told of the first alone, and
    further metrics of the other where it has such lists or rows.

    Raises:
        Failure: As `prepared_run`.
        ValueError: If the two are not asked the same; see `check_same_questions`.
    """
    from recsys_tf.evaluation import check_same_questions
    from recsys_tf.preparation.evaluation_faults import metric_fault

    config, evaluation = folder.config(data_dir), first.data.config.evaluation
    if not kind_of(config).has_users:
        check_without_users([], folder.path)
    bare = evaluation.model_copy(update={"metrics": (), "slices": (), "confidence": None})
    kind = prepared_run(folder, config.model_copy(update={"evaluation": bare}))
    data = cast("PreparedData", kind.data)
    check_same_questions(cast("PreparedData", first.data), data, part)
    has = {"has_rows": config.sequence is None, "has_lists": data.ranked_as is not None}
    told = tuple(
        name for name in evaluation.metrics if metric_fault(name, data.schema, **has) is None
    )
    evaluation = bare.model_copy(update={"metrics": told})
    data = replace(data, config=config.model_copy(update={"evaluation": evaluation}))
    folder.use_saved_features(data)
    return folder, replace(kind, data=data)


def check_comparable(folder: RunFolder, other: RunFolder, data_dir: Path | None) -> None:
    """Checks that two runs hold out the same rows of the same data.

    Raises:
        Failure: If they do not, or one of them is no finished run.
    """
    from recsys_tf.datasets import WITHOUT_SCHEMA

    configs = [each.config(data_dir) for each in (folder, other)]
    one, two = (each.data for each in configs)
    fields = ("dataset", "split", *_READ_BY_SPLIT[one.split])
    different = [each for each in fields if getattr(one, each) != getattr(two, each)]
    if different:
        pairs = ", ".join(
            f"data.{each}: {getattr(one, each)} and {getattr(two, each)}" for each in different
        )
        raise Failure(
            f"`--against` {other.path} must be of the data and split of {folder.path}, received "
            f"{pairs}; the models were not asked the same.",
            ExitCode.WRONG_USAGE,
        )
    schemas = [each.features_and_tasks for each in configs]
    if one.dataset in WITHOUT_SCHEMA and schemas[0] != schemas[1]:
        # Of one's own files each run reads the columns that it names, and the digest tells them:
        # `prepared_run` holds each against its data, `check_same_questions` both to one another.
        return
    prints = [each.data_fingerprint() for each in (folder, other)]
    if None not in prints and prints[0] != prints[1]:
        raise Failure(
            f"`--against` {other.path} was trained on {prints[1]}, and {folder.path} on "
            f"{prints[0]}; compare runs of the same data.",
            ExitCode.DATA_REJECTED,
        )
