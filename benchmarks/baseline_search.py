"""Searches the settings of every baseline on validation rows, and measures the chosen ones once.

    python benchmarks/baseline_search.py ml-100k-random --data-dir FOLDER --seconds 300

FOLDER holds the folders `ml-100k`, `ml-1m` and `ncf-ml1m`. The first trial of a baseline has its
defaults, the others are drawn from the grid below without repetition, so that a larger `--trials`
goes on where a smaller one ended. Trials are lines of a log; after `--seconds` no new one begins,
and the same command goes on from there. Test rows are read only when every trial is done: by the
chosen settings, fitted on training and validation rows, over three seeds where there is chance. The
trials are kept beside the result, in `logs/baseline_search_<data>.jsonl`.

Popularity is searched first, and its half-life is that of the popularity by which every other
baseline answers a new user.
"""

from __future__ import annotations

import argparse
import inspect
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from baseline_problems import PROBLEMS, RMSE, Problem
from baseline_trials import (
    Settings,
    in_words,
    log_path,
    of_seeds,
    row_of_runs,
    write_search_log,
)
from reporting import Row, report
from trials import TrialLog, Values, add_options

from recsys_tf.baselines import BASELINES

Grid = Mapping[str, Sequence[Any]]
HALF_LIFE = "popularity_half_life_days"
HALF_LIVES = (None, 3.5, 7.0, 14.0, 30.0, 60.0, 90.0, 180.0)
GRIDS: dict[str, Grid] = {
    "popularity": {HALF_LIFE: HALF_LIVES},
    "bias": {"shrinkage": (0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0), "num_iterations": (2, 10)},
    "item_knn": {
        "num_neighbors": (5, 10, 20, 50, 100, 200, 400, 800),
        "shrinkage": (0.0, 20.0, 100.0, 200.0, 500.0),
        "alpha": (0.0, 0.2, 0.4, 0.5),
        "is_idf_weighted": (False, True),
    },
    "ease": {
        "l2_regularization": (
            20.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 700.0, 1000.0, 1500.0, 2500.0,
        )
    },
    "implicit_als": {
        "factors": (32, 64, 128),
        "l2_regularization": (0.007, 0.01, 0.015, 0.02),
        "unobserved_weight": (0.15, 0.25, 0.4),
        "frequency_exponent": (0.0, 1.0),
    },
    "bpr": {
        "factors": (32, 64, 128),
        "learning_rate": (0.1, 0.2),
        "l2_regularization": (0.01, 0.02, 0.04),
        "num_iterations": (10, 50, 100),
    },
}  # fmt: skip

NUM_TRIALS = 320
"""Settings a baseline unless `--trials` says another number: all of the largest grid."""


class OutOfTimeError(Exception):
    """No further trial may begin in this call."""


@dataclass(frozen=True)
class Search:
    """The trials of one problem.

    Attributes:
        data: The problem's name.
        problem: The problem.
        log: What was measured, by other searches too.
        ends_at: `time.monotonic()` after which no trial begins.
        used: The trials of this search in their order, and what they reached.
    """

    data: str
    problem: Problem
    log: TrialLog
    ends_at: float = field(default=np.inf)
    used: dict[str, tuple[Mapping[str, Any], Values]] = field(default_factory=dict)

    def values(self, part: str, baseline: str, settings: Settings) -> Values:
        """Returns what a baseline reaches with settings, from the log where it has been measured.

        Raises:
            OutOfTimeError: If it has not, and no trial may begin any more.
        """

        def run() -> Values:
            if time.monotonic() > self.ends_at:
                raise OutOfTimeError
            started = time.perf_counter()
            try:
                values = self.problem.parts[part].values_of(BASELINES[baseline](**settings))
            except ValueError as error:
                # Settings that diverge are a trial as well.
                if "`learning_rate`" not in str(error):
                    raise
                values = {self.problem.criterion: -np.inf}
            shown = (*self.problem.metrics, RMSE)
            values = {name: value for name, value in values.items() if name in shown}
            return {**values, "seconds": time.perf_counter() - started}

        trial = {"data": self.data, "part": part, "baseline": baseline, "settings": settings}
        values = self.log.measure(trial, run)
        self.used[json.dumps(trial, sort_keys=True)] = trial, values
        return values

    def best(
        self, baseline: str, num_trials: int, fixed: Settings | None = None
    ) -> tuple[Settings, float, int]:
        """Tries settings on the validation rows.

        Args:
            baseline: A key of `GRIDS`.
            num_trials: How many settings at the most.
            fixed: Settings that all trials have.

        Returns:
            The best settings, what they reach there, and how many were tried.
        """
        drawn = list(draw(baseline, num_trials, fixed))
        tried = [self.values("validation", baseline, each) for each in drawn]
        criterion = RMSE if RMSE in tried[0] else self.problem.criterion
        sign = -1 if criterion == RMSE else 1
        place = int(np.argmax([sign * each[criterion] for each in tried]))
        return drawn[place], tried[place][criterion], len(drawn)

    def tested(self, baseline: str, settings: Settings, seeds: Sequence[int]) -> list[Values]:
        """Measures settings on the test rows; once for each seed where the baseline has one."""
        return [self.values("test", baseline, each) for each in of_seeds(baseline, settings, seeds)]


def draw(
    baseline: str, count: int, fixed: Settings | None = None, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Yields a baseline's default settings, then others of its grid in an order drawn by a seed.

    Args:
        baseline: A key of `GRIDS`.
        count: How many settings at the most.
        fixed: Settings that all have, in the place of the grid's and the defaults.
        seed: Seed of the order.
    """
    fixed = fixed or {}
    grid = {name: values for name, values in GRIDS[baseline].items() if name not in fixed}
    parameters = inspect.signature(BASELINES[baseline]).parameters
    defaults = {name: parameters[name].default for name in grid}
    combinations = [
        dict(zip(grid, each, strict=True)) for each in itertools.product(*grid.values())
    ]
    order = np.random.default_rng(seed).permutation(len(combinations))
    others = (combinations[place] for place in order if combinations[place] != defaults)
    for settings in (defaults, *itertools.islice(others, count - 1)):
        yield {**settings, **fixed}


def make_rows(search: Search, num_trials: int, seeds: Sequence[int]) -> tuple[list[Row], str]:
    """Searches and measures every baseline that the problem has a measure for.

    Returns:
        The rows of the result, and the chosen settings in words.
    """
    # All searches come first: no test row is read before everything is chosen.
    best = search_all(search, num_trials)
    rows, words = [], []
    for name, (settings, of_validation, num_tried) in best.items():
        values = search.tested(name, settings, seeds)
        for metric in [RMSE] if name == "bias" else search.problem.metrics:
            published, origin = search.problem.published.get((metric, name), (None, None))
            of_runs = [each[metric] for each in values]
            others = {"reference": published, "reference_name": origin}
            rows.append(row_of_runs(f"{metric}, {name}", of_runs, **others))
        criterion = RMSE if name == "bias" else search.problem.criterion
        rows.append(Row(f"validation {criterion}, {name}", of_validation, ""))
        rows.append(Row(f"settings tried, {name}", num_tried, ""))
        words.append(f"{name} ({in_words(settings)})" if settings else name)
    return rows, "; ".join(words)


def search_all(search: Search, num_trials: int) -> dict[str, tuple[Settings, float, int]]:
    """Searches every baseline that the problem has a measure for; see `Search.best`."""
    of_test = search.problem.parts["test"]
    timeless = {HALF_LIFE: None} if of_test.times is None else {}
    best = {"popularity": search.best("popularity", num_trials, timeless)}
    half_life = best["popularity"][0][HALF_LIFE]
    for_new_users = {} if half_life is None else {HALF_LIFE: half_life}
    for name in GRIDS:
        if name == "bias" and of_test.ratings is not None:
            # Ranks nothing, hence nobody new.
            best[name] = search.best(name, num_trials)
        elif name not in ("popularity", "bias"):
            best[name] = search.best(name, num_trials, for_new_users)
    return best


def main() -> None:
    """Searches, measures and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=PROBLEMS)
    parser.add_argument("--data-dir", type=Path, help="folder with the data sets' own folders")
    parser.add_argument(
        "--trials",
        type=int,
        default=NUM_TRIALS,
        help=f"settings a baseline (default {NUM_TRIALS})",
    )
    parser.add_argument("--seconds", type=float, default=np.inf, help="begin no trial after these")
    add_options(parser, __file__, has_search=False)
    arguments = parser.parse_args()
    ends_at = time.monotonic() + arguments.seconds
    problem = PROBLEMS[arguments.data](arguments.data_dir)
    search = Search(arguments.data, problem, TrialLog(arguments.log), ends_at)
    try:
        rows, chosen = make_rows(search, arguments.trials, arguments.seeds)
    except OutOfTimeError:
        sys.exit("The time is over; the same command goes on from here.")
    description = f"{problem.description}; chosen on validation rows: {chosen}"
    variant = arguments.data.replace("-", "_")
    write_search_log(log_path(variant, arguments.results), search.used.values())
    report(__file__, rows, description, arguments.seeds, arguments.results, variant)


if __name__ == "__main__":
    main()
