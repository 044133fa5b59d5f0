"""Each multi-task block and weighting beside single-task twins and boosted trees.

    python benchmarks/multitask_tables.py --dataset adult --data-dir FOLDER
    python benchmarks/multitask_tables.py --dataset census --data-dir FOLDER --search 12

Adult: the published training and test files; 15 % of the training rows are drawn for validation.
Census: the published test half, drawn 70/15/15. Rankers read each number in bins (`num_bins`).
The seed draws the rows of the parts, weights, order and dropout.

A single-task twin is one ranker a task, of the same sizes as the shared bottom.
Every model, the trees too, ends at its best epoch on the validation rows. The combination that is
held to its twins and the trees is chosen on them as well: that whose smallest gain over the twins
is the largest, as no task may be worse than its own. The test rows are measured once a trial.

Each trial is logged, and a second call goes on where the first was broken off. `--search` tries
settings on the validation rows alone and writes no result.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from boosted_trees import MAX_TREES, grow_trees
from multitask_problems import GRID, PROBLEMS, Problem, settings_for, split, with_bins, with_tasks
from reporting import Row, report
from trials import (
    HeldOut,
    Parts,
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

from recsys_tf.datasets import LabelledTable
from recsys_tf.multitask import MULTITASK_BLOCKS
from recsys_tf.weighting import WEIGHTINGS

SINGLE, TREES = "single_task", "trees"
METHODS = (TREES, SINGLE, *sorted(MULTITASK_BLOCKS))


def measure(
    table: LabelledTable,
    method: str,
    weighting: str,
    settings: Settings,
    seed: int,
    is_test_read: bool = True,
) -> Values:
    """Trains one method.

    Args:
        table: The rows, with the tasks to learn.
        method: A name of `METHODS`.
        weighting: A name of `WEIGHTINGS`; the single-task twin and the trees have no use for it.
        settings: Sizes and training of the rankers.
        seed: Draws the parts, the weights, the order and dropout.
        is_test_read: Whether the test rows are measured; never while settings are chosen.

    Returns:
        `<task>/validation_auc`, `<task>/test_auc`, `epoch`, `seconds`, and of rankers
        `parameters`; of several models the sums, of `epoch` the mean.
    """
    tasks = [task.name for task in table.schema.tasks]
    parts = split(table, seed)
    if method == TREES:
        of_models = [grow_trees(table, task, parts, seed, is_test_read) for task in tasks]
    else:
        tables = [with_tasks(table, [task]) for task in tasks] if method == SINGLE else [table]
        block = "shared_bottom" if method == SINGLE else method
        config = (weighting or "fixed", settings, seed, is_test_read)
        of_models = [_train(each, parts, block, *config) for each in tables]
    merged: Values = {}
    for name in dict.fromkeys(itertools.chain(*of_models)):
        given = [each[name] for each in of_models if name in each]
        merged[name] = float(np.mean(given) if name == "epoch" else np.sum(given))
    return merged


def _train(
    table: LabelledTable,
    parts: Parts,
    block: str,
    weighting: str,
    settings: Settings,
    seed: int,
    is_test_read: bool,
) -> Values:
    settings = settings_for(block, settings, len(table.schema.tasks))
    config = settings.run_config(seed, weighting, multitask=block)
    model, data, values = train(table, parts, config, settings.patience)
    if is_test_read:
        aucs = HeldOut(data, "test").aucs(model)
        values |= {f"{task}/test_auc": value for task, value in aucs.items()}
    return values


def combinations(
    methods: Sequence[str], weightings: Sequence[str], weighted: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """Pairs each method with each weighting that it has a use for.

    Args:
        methods: Names of `METHODS`.
        weightings: Names of `WEIGHTINGS`.
        weighted: The methods that meet all weightings, the others the first alone; None for all.

    Returns:
        Method and weighting, "" for what has no use for one.
    """
    pairs = []
    for method in methods:
        of_method = weightings if weighted is None or method in weighted else weightings[:1]
        pairs += [(method, w) for w in (("",) if method in (TREES, SINGLE) else of_method)]
    return pairs


def make_rows(
    runs: Mapping[tuple[str, str], Sequence[Values]],
    tasks: Sequence[str],
    references: Mapping[str, tuple[float, str]],
) -> list[Row]:
    """Makes the table: every combination, then the one that was chosen on the validation rows.

    Args:
        runs: The values of each seed, by method and weighting.
        tasks: Names of the tasks.
        references: Published AUC by task.

    Returns:
        The rows; only the chosen combination is held to a bound.
    """
    rows = []
    for pair, values in runs.items():
        for task in tasks:
            reference, source = references.get(task, (None, None))
            rows.append(
                mean_row(
                    f"{task}, {_named(pair)}",
                    [each[f"{task}/test_auc"] for each in values],
                    "AUC",
                    reference=reference,
                    reference_name=source,
                )
            )
        if "parameters" in values[0]:
            counts = [each["parameters"] for each in values]
            rows.append(mean_row(f"parameters, {_named(pair)}", counts, ""))
    multitask = [pair for pair in runs if pair[0] not in (TREES, SINGLE)]
    if multitask:
        chosen = max(multitask, key=lambda pair: _smallest_gain(runs, pair, tasks))
        for task in tasks:
            rows += _claims(runs, chosen, task, references)
    return rows


def _smallest_gain(
    runs: Mapping[tuple[str, str], Sequence[Values]], pair: tuple[str, str], tasks: Sequence[str]
) -> tuple[float, float]:
    """Returns the smallest gain over a task's twin on the validation rows, and the mean AUC.

    Without twins, the mean alone decides.
    """
    names = [f"{task}/validation_auc" for task in tasks] if (SINGLE, "") in runs else []
    gains = [
        float(np.mean([each[name] for each in runs[pair]]))
        - float(np.mean([each[name] for each in runs[SINGLE, ""]]))
        for name in names
    ]
    return min(gains, default=0.0), mean_validation_auc(runs[pair])


def _claims(
    runs: Mapping[tuple[str, str], Sequence[Values]],
    chosen: tuple[str, str],
    task: str,
    references: Mapping[str, tuple[float, str]],
) -> list[Row]:
    bounds = {}
    for name in (SINGLE, TREES):
        if (name, "") in runs:
            values = [each[f"{task}/test_auc"] for each in runs[name, ""]]
            bounds[f"{name}, same rows"] = float(np.mean(values))
    if task in references:
        bounds[references[task][1]] = references[task][0]
    ours = [each[f"{task}/test_auc"] for each in runs[chosen]]
    name = f"{task}, chosen by validation: {_named(chosen)}"
    return [
        mean_row(
            name,
            ours,
            "AUC",
            reference=bound,
            reference_name=source,
            rule="at_least",
            bound=bound,
        )
        for source, bound in bounds.items()
    ]


def _named(pair: tuple[str, str]) -> str:
    method, weighting = pair
    return f"{method}, {weighting}" if weighting else method


def search(table: LabelledTable, problem: Problem, arguments: argparse.Namespace) -> None:
    """Tries settings on the validation rows of the first seed, and prints the best ones."""
    log, seed = TrialLog(arguments.log), arguments.seeds[0]
    tasks = [task.name for task in table.schema.tasks]
    for method, weighting in combinations(arguments.methods, arguments.weightings):
        if method == TREES:
            continue
        print(f"\n{_named((method, weighting))}, validation AUC and settings:")
        try_settings(
            log,
            _trial(arguments.dataset, tasks, method, weighting, seed, problem),
            draw_settings(problem.settings, GRID, arguments.search),
            lambda s, m=method, w=weighting: measure(table, m, w, s, seed, is_test_read=False),
        )


def _trial(
    dataset: str, tasks: Sequence[str], method: str, weighting: str, seed: int, problem: Problem
) -> dict[str, object]:
    trial = {"dataset": dataset, "tasks": list(tasks), "method": method, "seed": seed}
    if method == TREES:
        return {**trial, "max_trees": MAX_TREES}
    settings = asdict(problem.settings)
    # Named as it is in the schema: bins that a log calls `num_bins` were columns of their own.
    bins = {"numeric_feature.num_bins": problem.num_bins}
    return {**trial, "weighting": weighting, "settings": settings, **bins}


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", choices=PROBLEMS, required=True)
    parser.add_argument("--data-dir", help="folder with the published files")
    parser.add_argument("--tasks", nargs="+", help="census has `college` as a third")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--weightings", nargs="+", choices=sorted(WEIGHTINGS), default=["fixed"])
    parser.add_argument(
        "--weighted",
        nargs="+",
        choices=METHODS,
        help="methods that meet every weighting, the others the first alone (default: all)",
    )
    add_options(parser, __file__)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    problem = PROBLEMS[arguments.dataset]
    tasks = tuple(arguments.tasks or problem.tasks)
    table = with_bins(problem.load(arguments.data_dir, tasks), problem.num_bins)
    if arguments.search:
        return search(table, problem, arguments)
    log = TrialLog(arguments.log)
    pairs = combinations(arguments.methods, arguments.weightings, arguments.weighted)
    runs: dict[tuple[str, str], list[Values]] = {pair: [] for pair in pairs}
    # Seed by seed, so that a broken run has something of every method.
    for seed, (method, weighting) in itertools.product(arguments.seeds, pairs):
        values = log.measure(
            _trial(arguments.dataset, tasks, method, weighting, seed, problem),
            lambda m=method, w=weighting, s=seed: measure(table, m, w, problem.settings, s),
        )
        runs[method, weighting].append(values)
    variant = arguments.dataset if tasks == problem.tasks else "_".join([arguments.dataset, *tasks])
    sys.exit(
        not report(
            __file__,
            make_rows(runs, tasks, problem.references),
            problem.description,
            arguments.seeds,
            arguments.results,
            variant,
        )
    )


if __name__ == "__main__":
    main()
