"""The options that several commands share, and the run that they describe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from recsys_tf.config import RunConfig
from recsys_tf.presets import PRESETS, preset

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A run described in YAML; see `--set`.")
]
PresetName = Annotated[
    str | None,
    typer.Option("--preset", help="A run that is known to work: " + ", ".join(PRESETS) + "."),
]
DatasetName = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="Data set: ml-100k, ml-1m, ml-latest-small, parquet or synthetic. Of a run with "
        "`table`: adult, census-income, csv or parquet.",
    ),
]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder or zip archive that holds its files. Without it: $RECSYS_DATA_DIR, then the "
        "cache, then a download.",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change a field of the run, such as training.epochs=3; may be given again.",
    ),
]
RunFolderOption = Annotated[
    Path, typer.Option("--run", help="Folder that `recsys-tf train` wrote.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def run_config(
    config: Path | None = None,
    preset_name: str | None = None,
    dataset: str | None = None,
    data_dir: Path | None = None,
    changes: Sequence[str] | None = None,
) -> RunConfig:
    """Joins a configuration, the data's options and single changes, the last one winning.

    Args:
        config: A YAML file, or None.
        preset_name: A name out of `PRESETS`, or None. Without either the data set's own preset
            is taken, and the defaults where it has none.
        dataset: Name of the data set, or None for the configuration's.
        data_dir: Where its files lie, or None for the configuration's.
        changes: `field.path=value`, the value in YAML.

    Returns:
        The run.

    Raises:
        SpecError: If the file or a value is wrong; the text lists every fault.
        ValueError: If there is no preset of that name.
        typer.BadParameter: If a change is no `field=value`.
    """
    if config is not None and preset_name is not None:
        raise typer.BadParameter("give either a file or a preset", param_hint="--config")
    values = _base(config, preset_name, dataset).to_dict()
    if dataset is not None:
        values["data"]["dataset"] = dataset
    if data_dir is not None:
        values["data"]["folder"] = str(data_dir.expanduser().absolute())
    return _changed(values, changes or ())


def changed_run(run: RunConfig, changes: Sequence[str]) -> RunConfig:
    """Changes fields of a run; see `run_config`."""
    return _changed(run.to_dict(), changes)


def _changed(values: dict[str, Any], changes: Sequence[str]) -> RunConfig:
    for change in changes:
        _apply(values, change)
    return RunConfig.from_dict(values)


def _base(config: Path | None, preset_name: str | None, dataset: str | None) -> RunConfig:
    if config is not None:
        return RunConfig.from_yaml(config)
    if preset_name is not None:
        return preset(preset_name)
    return preset(dataset) if dataset in PRESETS else RunConfig()


def _apply(values: dict[str, Any], change: str) -> None:
    path, sign, text = change.partition("=")
    if not sign or not path:
        raise typer.BadParameter(
            f"must be FIELD=VALUE, such as training.epochs=3, received {change!r}",
            param_hint="--set",
        )
    *parents, name = path.split(".")
    place = values
    for parent in parents:
        # A part that a run may have, such as `sequence`, begins with its first field.
        if place.get(parent) is None:
            place[parent] = {}
        inner = place[parent]
        if not isinstance(inner, dict):
            raise typer.BadParameter(f"{parent!r} has no fields ({change!r})", param_hint="--set")
        place = inner
    try:
        place[name] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise typer.BadParameter(f"{text!r} is not a YAML value", param_hint="--set") from None
