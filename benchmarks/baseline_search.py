"""Searches the settings of every baseline on validation rows, and measures the chosen ones once.

    python benchmarks/baseline_search.py ml-100k-random --data-dir FOLDER --seconds 300

FOLDER holds the folders `ml-100k`, `ml-1m` and `ncf-ml1m`. The first trial of a baseline has its
defaults, the others are drawn from the grid below without repetition, so that a larger `--trials`
goes on where a smaller one ended. Trials are lines of a log; after `--seconds` no new one begins,
and the same command goes on from there. Test rows are read only when every trial is done: by the
chosen settings, fitted on training and validation rows, over three seeds where there is chance.
"""

from __future__ import annotations

import argparse
import inspect
import itertools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from baseline_problems import PROBLEMS, RMSE, Problem
from reporting import Row, report
from trials import TrialLog, Values, add_options, mean_row

from recsys_tf.baselines import BASELINES

Grid = Mapping[str, Sequence[float]]
GRIDS: dict[str, Grid] = {
    "popularity": {},
    "bias": {"shrinkage": (0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0), "num_iterations": (2, 10)},
    "item_knn": {
        "num_neighbors": (20, 50, 100, 200, 400, 800),
        "shrinkage": (0.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0),
    },
    "ease": {
        "l2_regularization": (
            20.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 700.0, 1000.0, 1500.0, 2500.0,
        )
    },
    "implicit_als": {
        "factors": (16, 32, 64, 128, 256),
        "l2_regularization": (1.0, 3.0, 10.0, 30.0, 60.0, 100.0, 200.0),
        "confidence": (2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0),
        "num_iterations": (8, 15),
    },
    "bpr": {
        "factors": (16, 32, 64, 128),
        "learning_rate": (0.002, 0.005, 0.01, 0.02, 0.05),
        "l2_regularization": (0.001, 0.003, 0.01, 0.03, 0.1),
        "num_iterations": (15, 30, 60, 120),
    },
}  # fmt: skip


class OutOfTimeError(Exception):
    """No further trial may begin in this call."""


@dataclass(frozen=True)
class Search:
    """The trials of one problem.

    Attributes:
        data: The problem's name.
        problem: The problem.
        log: What was measured.
        ends_at: `time.monotonic()` after which no trial begins.
    """

    data: str
    problem: Problem
    log: TrialLog
    ends_at: float = field(default=np.inf)

    def values(self, part: str, baseline: str, settings: Mapping[str, float]) -> Values:
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
        return self.log.measure(trial, run)

    def best(self, baseline: str, num_trials: int) -> tuple[dict[str, float], float, int]:
        """Tries settings on the validation rows.

        Returns:
            The best settings, what they reach there, and how many were tried.
        """
        drawn = list(draw(baseline, num_trials))
        tried = [self.values("validation", baseline, each) for each in drawn]
        criterion = RMSE if RMSE in tried[0] else self.problem.criterion
        sign = -1 if criterion == RMSE else 1
        place = int(np.argmax([sign * each[criterion] for each in tried]))
        return drawn[place], tried[place][criterion], len(drawn)

    def tested(
        self, baseline: str, settings: Mapping[str, float], seeds: Sequence[int]
    ) -> list[Values]:
        """Measures settings on the test rows; once for each seed where the baseline has one."""
        has_seed = "seed" in inspect.signature(BASELINES[baseline]).parameters
        of_seeds = [{"seed": seed} for seed in seeds] if has_seed else [{}]
        return [self.values("test", baseline, {**settings, **each}) for each in of_seeds]


def draw(baseline: str, count: int, seed: int = 0) -> Iterator[dict[str, float]]:
    """Yields a baseline's default settings, then others of its grid in an order drawn by a seed.

    Args:
        baseline: A key of `GRIDS`.
        count: How many settings at the most.
        seed: Seed of the order.
    """
    grid = GRIDS[baseline]
    parameters = inspect.signature(BASELINES[baseline]).parameters
    defaults = {name: parameters[name].default for name in grid}
    combinations = [
        dict(zip(grid, each, strict=True)) for each in itertools.product(*grid.values())
    ]
    order = np.random.default_rng(seed).permutation(len(combinations))
    others = (combinations[place] for place in order if combinations[place] != defaults)
    yield defaults
    yield from itertools.islice(others, count - 1)


def make_rows(search: Search, num_trials: int, seeds: Sequence[int]) -> tuple[list[Row], str]:
    """Searches and measures every baseline that the problem has a measure for.

    Returns:
        The rows of the result, and the chosen settings in words.
    """
    has_ratings = search.problem.parts["test"].ratings is not None
    names = [name for name in GRIDS if name != "bias" or has_ratings]
    # All searches come first: no test row is read before everything is chosen.
    best = {name: search.best(name, num_trials) for name in names}
    rows, words = [], []
    for name, (settings, of_validation, num_tried) in best.items():
        values = search.tested(name, settings, seeds)
        for metric in [RMSE] if name == "bias" else search.problem.metrics:
            published, origin = search.problem.published.get((metric, name), (None, None))
            rows.append(test_row(metric, name, values, published, origin))
        criterion = RMSE if name == "bias" else search.problem.criterion
        rows.append(Row(f"validation {criterion}, {name}", of_validation, ""))
        rows.append(Row(f"settings tried, {name}", num_tried, ""))
        shown = ", ".join(f"{key} {value:g}" for key, value in settings.items())
        words.append(f"{name} ({shown})" if shown else name)
    return rows, "; ".join(words)


def test_row(
    metric: str, name: str, values: Sequence[Values], published: float | None, origin: str | None
) -> Row:
    """Makes the row of one metric: with a spread where there is chance."""
    of_seeds = [each[metric] for each in values]
    others: dict[str, Any] = {"reference": published, "reference_name": origin}
    if len(of_seeds) > 1:
        row = mean_row(f"{metric}, {name}", of_seeds, "", **others)
        # Of equal numbers the computed deviation is a last digit.
        return replace(row, spread=round(row.spread or 0.0, 12))
    return Row(f"{metric}, {name}", of_seeds[0], "", **others)


def main() -> None:
    """Searches, measures and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=PROBLEMS)
    parser.add_argument("--data-dir", type=Path, help="folder with the data sets' own folders")
    parser.add_argument("--trials", type=int, default=30, help="settings a baseline (default 30)")
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
    report(__file__, rows, description, arguments.seeds, arguments.results, variant)


if __name__ == "__main__":
    main()
