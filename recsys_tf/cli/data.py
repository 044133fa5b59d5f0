"""`recsys-tf data`: what a data set holds, what of it is refused, and how it is cut."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys_tf.cli.console import OUT, plain_table, print_table, stage
from recsys_tf.cli.failures import ExitCode, Failure, check_writable, reported
from recsys_tf.cli.loading import check_rejections, load_interactions, split_interactions
from recsys_tf.cli.options import (
    Changes,
    ConfigFile,
    DataFolder,
    DatasetName,
    PresetName,
    run_config,
)

if TYPE_CHECKING:
    from recsys_tf.datasets import Interactions, Split


@reported
def data(
    config: ConfigFile = None,
    preset: PresetName = None,
    dataset: DatasetName = None,
    data_dir: DataFolder = None,
    changes: Changes = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="New folder for the frames, which `--dataset parquet` reads."),
    ] = None,
) -> None:
    """Report what a data set holds and how it is split.

    Every row that is refused is counted with its reason; `--out` keeps source, line and reason of
    each, and the text of the first of every reason.

    Examples:
      recsys-tf data --dataset ml-100k
      recsys-tf data --dataset synthetic --set data.split=random --out frames
      recsys-tf data --dataset parquet --data-dir frames
    """
    run = run_config(config, preset, dataset, data_dir, changes)
    if out is not None:
        _check_new(out)
    interactions = load_interactions(run)
    OUT.print(interactions.summary(), markup=False)
    split = split_interactions(interactions, run)
    print_table(_split_table(interactions, split))
    if out is not None:
        with stage(f"writing {out}"):
            write_frames(interactions, split, out)
    check_rejections(interactions, run)


def write_frames(interactions: Interactions, split: Split, folder: Path) -> None:
    """Writes events (with their part), users, items and rejected rows, all or none.

    With the `dataset.yaml` that lies beside them, `load_parquet` reads them back.

    Args:
        interactions: The data set.
        split: The part of each event.
        folder: Must be new or empty.
    """
    import pandas as pd

    from recsys_tf.datasets.parquet import DESCRIPTION, DataDescription

    part_of_event = pd.Series("train", index=range(len(interactions)), dtype=object)
    for part in ("validation", "test"):
        part_of_event.iloc[getattr(split, part)] = part
    frames = {
        "events": interactions.events.assign(part=part_of_event.to_numpy()),
        "users": interactions.users,
        "items": interactions.items,
        "rejected": interactions.rejections.rows.astype({"source": str, "reason": str}),
    }
    description = DataDescription(
        features_and_tasks=interactions.schema,
        title_column=interactions.title_column,
        is_time_comparable=interactions.is_time_comparable,
    )
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        for name, frame in frames.items():
            frame.to_parquet(writing / f"{name}.parquet", index=False)
        description.to_yaml(writing / DESCRIPTION)
        writing.chmod(0o755)
        os.replace(writing, folder)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise


def _check_new(folder: Path) -> None:
    check_writable(folder, "--out")
    if any(folder.iterdir()):
        raise Failure(
            f"`--out` {folder} must be new or empty; name another folder.", ExitCode.WRONG_USAGE
        )


def _split_table(interactions: Interactions, split: Split) -> Any:
    schema, events = interactions.schema, interactions.events
    train_users = events[schema.user_id].iloc[split.train].unique()
    table = plain_table()
    table.add_column(f"split by {split.method.replace('_', ' ')}")
    for name in ("events", "users", "new users", "items", "first", "last"):
        table.add_column(name, justify="right")
    for part in ("train", "validation", "test"):
        rows = events.iloc[getattr(split, part)]
        users = rows[schema.user_id].drop_duplicates()
        days = [_day(rows[schema.timestamp].min()), _day(rows[schema.timestamp].max())]
        table.add_row(
            part,
            f"{len(rows):,}",
            f"{len(users):,}",
            f"{int((~users.isin(train_users)).sum()):,}",
            f"{rows[schema.item_id].nunique():,}",
            *(days if interactions.is_time_comparable else ["-", "-"]),
        )
    return table


def _day(seconds: int) -> str:
    import pandas as pd

    return f"{pd.Timestamp(int(seconds), unit='s'):%Y-%m-%d}"
