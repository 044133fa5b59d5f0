"""Trials of baselines: kept beside the result of a search, read again, and made into rows."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reporting import RESULTS, Row
from trials import Values, mean_row

from recsys_tf.baselines import BASELINES

Settings = Mapping[str, Any]
FOLDER = "logs"


def log_path(variant: str, folder: Path = RESULTS) -> Path:
    """Returns where the trials of a search stand in a folder of results."""
    return folder / FOLDER / f"baseline_search_{variant}.jsonl"


def write_search_log(path: Path, trials: Iterable[tuple[Mapping[str, Any], Values]]) -> None:
    """Writes one line a trial, in the order of the search.

    Args:
        path: The file; what it held is replaced.
        trials: `part`, `baseline` and `settings` of each, and what it reached; null where the
            factors grew without bound.
    """
    lines = [
        json.dumps(
            {
                **{name: trial[name] for name in ("part", "baseline", "settings")},
                "values": {n: round(v, 6) if math.isfinite(v) else None for n, v in values.items()},
            }
        )
        for trial, values in trials
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def chosen_settings(path: Path) -> dict[str, Settings]:
    """Returns the settings that a search chose, by baseline.

    Args:
        path: What `write_search_log` wrote: only what was chosen was measured on test rows.

    Returns:
        Settings without seeds.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not path.exists():
        raise FileNotFoundError(f"`path` must be the log of baseline_search.py, received {path}.")
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {
        line["baseline"]: {n: v for n, v in line["settings"].items() if n != "seed"}
        for line in lines
        if line["part"] == "test"
    }


def of_seeds(baseline: str, settings: Settings, seeds: Sequence[int]) -> list[Settings]:
    """Returns the settings with each seed, or alone where a baseline has no chance in it."""
    has_seed = "seed" in inspect.signature(BASELINES[baseline]).parameters
    return [{**settings, "seed": seed} for seed in seeds] if has_seed else [settings]


def row_of_runs(name: str, of_runs: Sequence[float], **others: Any) -> Row:
    """Makes the row of one metric: with a spread where there was more than one run."""
    row = mean_row(name, of_runs, "", **others)
    # Of equal numbers the computed deviation is a last digit.
    return row if row.spread is None else replace(row, spread=round(row.spread, 12))


def in_words(settings: Settings) -> str:
    """Returns settings for people: `alpha 0.4, is_idf_weighted yes`."""
    words = {None: "none", True: "yes", False: "no"}
    return ", ".join(
        f"{name} {words[value] if value is None or isinstance(value, bool) else f'{value:g}'}"
        for name, value in settings.items()
    )
