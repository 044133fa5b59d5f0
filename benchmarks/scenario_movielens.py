"""Scenario-Wise Rec on MovieLens 1M: each scenario block beside one shared model.

    python benchmarks/scenario_movielens.py --data-dir FOLDER
    python benchmarks/scenario_movielens.py --data-dir FOLDER --search 8 --methods shared star

The protocol of Li et al., 2024 (arXiv 2412.17374): a rating above 3 is a positive; the scenario is
the user's age group; user, film, gender, occupation, zip code, first genre and age are read; rows
are drawn 8:1:1; embeddings are 16 wide. The shared model has the blocks' depth and width without a
scenario of its own. The seed draws the rows of the parts, weights, order and dropout; every model
ends at its best epoch on the validation rows, the best block is chosen on them, and the test rows
are measured once a trial.

The ratings are read from `ml1m_recovered.parquet`, put together from public pieces, whose labels
of 4 and above are exact; users and films from GroupLens' own files. Each trial is logged, and a
second call goes on where the first was broken off.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from movielens_1m_files import features_of, read_rated
from reporting import Row, report
from trials import (
    HeldOut,
    Settings,
    TrialLog,
    Values,
    add_options,
    draw_settings,
    mean_row,
    mean_validation_auc,
    train,
    try_settings,
)

from recsys_tf import CategoricalFeature, IdFeature, ScenarioSpec, TableSchema, TaskSpec
from recsys_tf.datasets import LabelledTable, split_table
from recsys_tf.metrics import auc, by_slice
from recsys_tf.multiscenario import SCENARIO_BLOCKS

SHARED = "shared"
METHODS = (SHARED, *sorted(SCENARIO_BLOCKS))
PUBLISHED_AUC, PUBLISHED_NAME = 0.8133, "HAMUR in Scenario-Wise Rec"
# By the published code of the age, which is the youngest of its bucket; 1 stands for "under 18".
SCENARIOS = {
    **dict.fromkeys(("1", "18"), "under_25"),
    "25": "25_to_34",
    **dict.fromkeys(("35", "45", "50", "56"), "35_and_over"),
}
TASK = "like"

SETTINGS = Settings(
    trunk_dims=(128,),
    scenario_dim=64,
    head_dims=(),
    batch_size=4096,
    epochs=12,
    patience=2,
    learning_rate=2e-3,
    cross="deep_fm",
    l2_regularization=1e-5,
)
GRID = {
    "learning_rate": (5e-4, 1e-3, 2e-3, 4e-3),
    "dropout": (0.0, 0.2, 0.4),
    "trunk_dims": ((64,), (128,), (256, 128)),
    "cross": (None, "dcn_v2", "deep_fm"),
    "user_dropout": (0.0, 0.02, 0.1),
    "item_dropout": (0.0, 0.02),
    "l2_regularization": (0.0, 1e-6, 1e-5),
    "weight_decay": (0.0, 1e-2, 1e-1),
}
"""What `--search` draws from."""


def scenario_schema() -> TableSchema:
    """Returns the features of the protocol, and the age group as the scenario."""
    return TableSchema(
        features=(
            IdFeature(name="user", side="user"),
            IdFeature(name="film", side="item"),
            CategoricalFeature(name="gender", side="user"),
            CategoricalFeature(name="occupation", side="user"),
            CategoricalFeature(name="zip_code", side="user"),
            CategoricalFeature(name="first_genre", side="item"),
            CategoricalFeature(name="age", side="user"),
            CategoricalFeature(name="age_group", side="user"),
        ),
        tasks=(TaskSpec(name=TASK, kind="binary", label=TASK),),
        scenario=ScenarioSpec(feature="age_group"),
    )


def load(folder: str | Path) -> LabelledTable:
    """Reads the rows of the protocol.

    Args:
        folder: Holds `ml1m_recovered.parquet`, `users.dat` and `movies.dat`.

    Returns:
        One row a rating, in the order of the file.
    """
    folder = Path(folder)
    ratings = read_rated(folder, ["ge4"])
    rows = features_of(folder, ratings[["user", "movie"]].to_numpy())
    rows["age_group"] = rows["age"].map(SCENARIOS)
    rows[TASK] = ratings["ge4"].to_numpy(dtype=np.float32)
    return LabelledTable(scenario_schema(), rows)


def measure(
    table: LabelledTable, method: str, settings: Settings, seed: int, is_test_read: bool = True
) -> Values:
    """Trains the shared model or one scenario block.

    Args:
        table: The rows.
        method: A name of `METHODS`.
        settings: Sizes and training.
        seed: Draws the parts, the weights, the order and dropout.
        is_test_read: Whether the test rows are measured; never while settings are chosen.

    Returns:
        `like/validation_auc`, `test_auc`, `test_auc/<scenario>`, `epoch`, `seconds`, `parameters`.
    """
    parts = split_table(len(table), 0.1, 0.1, seed)
    blocks = {"multitask": "shared_bottom"}
    if method == SHARED:
        # As deep and as wide as with a scenario block.
        settings = replace(settings, trunk_dims=(*settings.trunk_dims, settings.scenario_dim))
    else:
        blocks["multiscenario"] = method
    model, data, values = train(
        table, parts, settings.run_config(seed, **blocks), settings.patience
    )
    if is_test_read:
        held_out = HeldOut(data, "test")
        labels, predictions = held_out.labels[TASK], held_out.predict(model)[TASK]
        values["test_auc"] = auc(labels, predictions)
        groups = table.rows["age_group"].to_numpy(dtype=str)[parts[2]]
        of_scenarios = by_slice(auc, groups, labels, predictions)
        values |= {f"test_auc/{name}": value for name, value in of_scenarios.items()}
    return values


def make_rows(runs: Mapping[str, Sequence[Values]]) -> list[Row]:
    """Makes the table: every method, then the block that was best on the validation rows.

    Args:
        runs: The values of each seed by method.

    Returns:
        The rows; only the chosen block is held to bounds: the published AUC, and in no scenario
        less than the shared model on the same rows.
    """
    names = ["test_auc", *dict.fromkeys(SCENARIOS.values())]
    names = [names[0], *(f"test_auc/{name}" for name in names[1:])]
    rows = []
    for method, values in runs.items():
        for name in names:
            shown = f"{name.partition('/')[2] or 'all rows'}, {method}"
            reference = (PUBLISHED_AUC, PUBLISHED_NAME) if name == "test_auc" else (None, None)
            rows.append(
                mean_row(
                    shown,
                    [each[name] for each in values],
                    "AUC",
                    reference=reference[0],
                    reference_name=reference[1],
                )
            )
        counts = [each["parameters"] for each in values]
        rows.append(mean_row(f"parameters, {method}", counts, ""))
    blocks = [method for method in runs if method != SHARED]
    if blocks:
        chosen = max(blocks, key=lambda method: mean_validation_auc(runs[method]))
        rows += _claims(runs, chosen, names)
    return rows


def _claims(runs: Mapping[str, Sequence[Values]], chosen: str, names: Sequence[str]) -> list[Row]:
    rows = [
        mean_row(
            f"all rows, chosen by validation: {chosen}",
            [each["test_auc"] for each in runs[chosen]],
            "AUC",
            reference=PUBLISHED_AUC,
            reference_name=PUBLISHED_NAME,
            rule="at_least",
            bound=PUBLISHED_AUC,
        )
    ]
    for name in names if SHARED in runs else ():
        pairs = zip(runs[chosen], runs[SHARED], strict=True)
        rows.append(
            mean_row(
                f"gain in {name.partition('/')[2] or 'all rows'}, {chosen}",
                [ours[name] - shared[name] for ours, shared in pairs],
                "AUC",
                reference=0.0,
                reference_name="the shared model on the same rows",
                rule="at_least",
                bound=0.0,
            )
        )
    return rows


def search(table: LabelledTable, arguments: argparse.Namespace) -> None:
    """Tries settings on the validation rows of the first seed, and prints the best ones."""
    log, seed = TrialLog(arguments.log), arguments.seeds[0]
    for method in arguments.methods:
        print(f"\n{method}, validation AUC and settings:")
        try_settings(
            log,
            _trial(method, seed, SETTINGS),
            draw_settings(SETTINGS, GRID, arguments.search),
            lambda s, m=method: measure(table, m, s, seed, is_test_read=False),
        )


def _trial(method: str, seed: int, settings: Settings) -> dict[str, object]:
    return {"dataset": "ml-1m", "method": method, "seed": seed, "settings": asdict(settings)}


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", required=True, help="folder with the files")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    add_options(parser, __file__)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    table = load(arguments.data_dir)
    if arguments.search:
        return search(table, arguments)
    log = TrialLog(arguments.log)
    runs: dict[str, list[Values]] = {method: [] for method in arguments.methods}
    # Seed by seed, so that a broken run has something of every method.
    for seed, method in itertools.product(arguments.seeds, arguments.methods):
        values = log.measure(
            _trial(method, seed, SETTINGS),
            lambda m=method, s=seed: measure(table, m, SETTINGS, s),
        )
        runs[method].append(values)
    description = "MovieLens 1M by Scenario-Wise Rec: rating above 3, rows drawn 8:1:1"
    sys.exit(not report(__file__, make_rows(runs), description, arguments.seeds, arguments.results))


if __name__ == "__main__":
    main()
