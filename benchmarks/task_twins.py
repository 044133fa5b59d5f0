"""Watched, liked and loved on MovieLens 1M: one ranker for all three beside single-task twins.

    python benchmarks/task_twins.py --data-dir FOLDER
    python benchmarks/task_twins.py --data-dir FOLDER --users 600 --seeds 0 --methods mmoe

`watched`: a rated film against as many that the user did not rate, drawn from the rated films.
`liked` (4 and above) and `loved` (5) are asked of the rated rows alone; elsewhere their labels are
missing. User, film, gender, occupation, zip code, first genre and age are read. Rows are drawn
70/15/15; the seed draws the unrated rows, the parts, weights, order and dropout.

A twin is one ranker a task, of the sizes of the shared bottom. Every model ends at its best epoch
on the validation rows; the block whose smallest gain over the twins is the largest is chosen on
them as well, and is held to its twins on the test rows. Each trial is logged, and a second call
goes on where the first was broken off.

The ratings are read from `ml1m_recovered.parquet`, put together from public pieces: 4 and above is
exact; in 6,448 rows it is not known whether 4 or 5 was given, and these are left out of `loved`.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from movielens_1m_files import features_of, read_rated
from multitask_tables import SINGLE, combinations, make_rows, measure
from reporting import report
from trials import Settings, TrialLog, Values, add_options

from recsys_tf import CategoricalFeature, IdFeature, TableSchema, TaskSpec
from recsys_tf.datasets import LabelledTable
from recsys_tf.multitask import MULTITASK_BLOCKS
from recsys_tf.types import FloatArray, IntArray
from recsys_tf.weighting import WEIGHTINGS

TASKS = ("watched", "liked", "loved")
METHODS = (SINGLE, *sorted(MULTITASK_BLOCKS))
DEFAULT_METHODS = (SINGLE, "shared_bottom", "mmoe", "ple", "stem")
SETTINGS = Settings(
    embedding_dim=16,
    expert_dim=64,
    head_dims=(32,),
    batch_size=4096,
    epochs=6,
    patience=2,
    learning_rate=2e-3,
    l2_regularization=1e-6,
)


def schema() -> TableSchema:
    """Returns the features and the three tasks."""
    return TableSchema(
        features=(
            IdFeature(name="user", side="user"),
            IdFeature(name="film", side="item"),
            CategoricalFeature(name="gender", side="user"),
            CategoricalFeature(name="occupation", side="user"),
            CategoricalFeature(name="zip_code", side="user"),
            CategoricalFeature(name="first_genre", side="item"),
            CategoricalFeature(name="age", side="user"),
        ),
        tasks=tuple(TaskSpec(name=name, kind="binary", label=name) for name in TASKS),
    )


def load(folder: str | Path, seed: int, num_users: int | None = None) -> LabelledTable:
    """Reads the rated rows and draws the unrated ones.

    Args:
        folder: Holds `ml1m_recovered.parquet`, `users.dat` and `movies.dat`.
        seed: Draws the unrated rows, and the users.
        num_users: How many users are taken; None for all.

    Returns:
        The rated rows in the order of the file, then the unrated ones by user.
    """
    folder, random = Path(folder), np.random.default_rng(seed)
    rated = read_rated(folder, ["ge4", "eq5"])
    films = np.unique(rated["movie"])
    if num_users is not None:
        chosen = random.permutation(np.unique(rated["user"]))[:num_users]
        rated = rated[rated["user"].isin(chosen)]
    unrated = draw_unrated(rated["user"].to_numpy(), rated["movie"].to_numpy(), films, random)
    pairs = np.concatenate([rated[["user", "movie"]].to_numpy(), unrated])
    loved = rated["eq5"].astype("Float32").to_numpy(dtype=np.float32, na_value=np.nan)
    rows = features_of(folder, pairs)
    rows["watched"] = np.repeat(np.float32([1, 0]), [len(rated), len(unrated)])
    rows["liked"] = _padded(rated["ge4"].to_numpy(dtype=np.float32), len(unrated))
    rows["loved"] = _padded(loved, len(unrated))
    return LabelledTable(schema(), rows)


def draw_unrated(
    users: IntArray, films: IntArray, catalogue: IntArray, random: np.random.Generator
) -> IntArray:
    """Draws for each user as many films that he did not rate, or all where there are fewer.

    Args:
        users: int `[n]`, the user of each rated row.
        films: int `[n]`, its film.
        catalogue: int `[N]`, the films to draw from, ascending.
        random: Draws.

    Returns:
        int `[m, 2]`, users and films, no pair twice.
    """
    order = np.argsort(users, kind="stable")
    found = []
    for of_user in np.split(order, np.flatnonzero(np.diff(users[order])) + 1):
        others = np.setdiff1d(catalogue, films[of_user], assume_unique=True)
        drawn = random.permutation(others)[: len(of_user)]
        found.append(np.stack([np.full(len(drawn), users[of_user[0]]), drawn], axis=1))
    return np.concatenate(found)


def _padded(labels: FloatArray, num_missing: int) -> FloatArray:
    return np.concatenate([labels, np.full(num_missing, np.nan, np.float32)])


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", required=True, help="folder with the files")
    parser.add_argument("--users", type=int, help="so many users alone; all where left out")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=DEFAULT_METHODS)
    parser.add_argument("--weightings", nargs="+", choices=sorted(WEIGHTINGS), default=["fixed"])
    add_options(parser, __file__, has_search=False)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    log = TrialLog(arguments.log)
    # A table of two million rows takes its time, and the trials of a seed stand together.
    table = functools.lru_cache(maxsize=1)(load)
    methods = dict.fromkeys((SINGLE, *arguments.methods))
    pairs = combinations(list(methods), arguments.weightings)
    runs: dict[tuple[str, str], list[Values]] = {pair: [] for pair in pairs}
    # Seed by seed, so that a broken run has something of every method.
    for seed, (method, weighting) in itertools.product(arguments.seeds, pairs):
        trial = {"method": method, "weighting": weighting, "seed": seed, "users": arguments.users}
        values = log.measure(
            {**trial, "settings": asdict(SETTINGS)},
            lambda m=method, w=weighting, s=seed: measure(
                table(arguments.data_dir, s, arguments.users), m, w, SETTINGS, s
            ),
        )
        runs[method, weighting].append(values)
    taken = f"{arguments.users:,} users" if arguments.users else "all users"
    description = (
        f"MovieLens 1M, {taken}, rated rows and as many unrated ones drawn 70/15/15; liked and "
        "loved asked of the rated rows"
    )
    rows = make_rows(runs, TASKS, {})
    sys.exit(not report(__file__, rows, description, arguments.seeds, arguments.results))


if __name__ == "__main__":
    main()
