"""The share of a planted optimum that each multi-task and scenario block attains.

    python benchmarks/planted_relations.py
    python benchmarks/planted_relations.py --relations conflicting --methods ple shared_bottom

Generated rows (`planted_rules.py`) with two tasks that are independent, aligned (the second has few
labels), conflicting or chained by a funnel, and with three scenarios under the same rule, shifted
or opposite ones. The true probabilities' AUC is the optimum; a model's share of it is
`(AUC - 0.5) / (optimum - 0.5)`, on the same test rows.

The seed draws the rules, the rows, weights and order. All methods share one set of sizes; every
model ends at its best epoch on the validation rows. A block whose paper says that it gains on such
tasks or scenarios is held against the shared bottom, the tasks' own models, or the shared model
without a scenario block. Each trial is logged, and a second call goes on where the first was broken
off.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from multitask_problems import settings_for, with_tasks
from multitask_tables import SINGLE
from planted_rules import FIRST, LABEL, SECOND, Planted, Sizes, plant_scenarios, plant_tasks
from reporting import Row, report
from trials import HeldOut, Settings, TrialLog, Values, add_options, mean_row, train

from recsys_tf.metrics import auc
from recsys_tf.models import Ranker
from recsys_tf.multiscenario import SCENARIO_BLOCKS
from recsys_tf.multitask import MULTITASK_BLOCKS
from recsys_tf.preparation import PreparedTable

SHARED = "shared"
CHAINS = ("esmm", "escm2_ips", "escm2_dr")
OF_TASKS = ("independent", "aligned", "conflicting", "funnel")
OF_SCENARIOS = ("same", "shifted", "opposite")
RELATIONS = (*OF_TASKS, *OF_SCENARIOS)
METHODS = (SINGLE, *sorted(MULTITASK_BLOCKS), *CHAINS, SHARED, *sorted(SCENARIO_BLOCKS))

TASK_SETTINGS = Settings(
    embedding_dim=8,
    num_experts=3,
    expert_dim=32,
    head_dims=(16,),
    dropout=0.1,
    batch_size=512,
    epochs=10,
    patience=3,
    learning_rate=1e-2,
)
SCENARIO_SETTINGS = replace(TASK_SETTINGS, trunk_dims=(32,), scenario_dim=32, head_dims=())

# By relation: against which method, on which groups (all where none is named), and what a paper's
# abstract says of such tasks or scenarios. The papers measure on data of their own: that it should
# show under a planted rule is this script's reading of them.
CLAIMS: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "independent": (
        "shared_bottom",
        (),
        {
            "mmoe": "Ma et al. 2018: better where tasks are less related",
            "ple": "Tang et al. 2020: better under different correlations of the tasks",
        },
    ),
    "aligned": (
        SINGLE,
        (SECOND,),
        {"shared_bottom": "Caruana 1997: what is learned for a task helps related ones"},
    ),
    "conflicting": (
        "shared_bottom",
        (),
        {
            "mmoe": "Ma et al. 2018: better where tasks are less related",
            "ple": "Tang et al. 2020: no negative transfer between competing tasks",
            "stem": "Su et al. 2024: less negative transfer than shared embeddings",
        },
    ),
    "funnel": (
        "shared_bottom",
        (SECOND,),
        {
            "aitm": "Xi et al. 2021: earlier steps help the later, sparser ones",
            "esmm": "Ma et al. 2018, ESMM: learning in all rows helps a sparse second step",
        },
    ),
    "shifted": (
        SHARED,
        (),
        {
            "pepnet": "Chang et al. 2023: gains in several domains at once",
            "star": "Sheng et al. 2021: better than one model for all domains",
        },
    ),
    "opposite": (
        SHARED,
        (),
        {
            "hinet": "Zhou et al. 2023: keeps what is specific to a scenario",
            "star": "Sheng et al. 2021: better than one model for all domains",
        },
    ),
}


def methods_of(relation: str) -> tuple[str, ...]:
    """Returns the names of `METHODS` that a relation is measured with; chains need a funnel."""
    if relation in OF_SCENARIOS:
        return (SHARED, *sorted(SCENARIO_BLOCKS))
    blocks = (SINGLE, *sorted(MULTITASK_BLOCKS))
    return (*blocks, *CHAINS) if relation == "funnel" else blocks


def settings_of(relation: str) -> Settings:
    """Returns the sizes and training of a relation's models."""
    return TASK_SETTINGS if relation in OF_TASKS else SCENARIO_SETTINGS


def measure(relation: str, method: str, settings: Settings, seed: int, sizes: Sizes) -> Values:
    """Trains one method on the rows of one relation.

    Args:
        relation: A name of `RELATIONS`.
        method: A name of `methods_of(relation)`.
        settings: Sizes and training.
        seed: Draws the rows, the weights, the order and dropout.
        sizes: Rows of each part.

    Returns:
        By task or scenario `<name>/test_auc`, `<name>/optimum` and `<name>/share`; what `train`
        returns, of the single-task twins the sums.
    """
    plant = plant_tasks if relation in OF_TASKS else plant_scenarios
    planted = plant(relation, seed, sizes)
    values: Values = {}
    tables = [planted.table]
    if method == SINGLE:
        # A funnel's second step alone comes after nothing.
        free = tuple(task.model_copy(update={"after": None}) for task in planted.table.schema.tasks)
        schema = planted.table.schema.model_copy(update={"tasks": free})
        table = replace(planted.table, schema=schema)
        tables = [with_tasks(table, [name]) for name in (FIRST, SECOND)]
    for table in tables:
        own_settings, blocks = _blocks(method, settings, len(table.schema.tasks))
        config = own_settings.run_config(seed, **blocks)
        # So short a training spends more on tracing groups of steps than they save.
        short = config.training.model_copy(update={"steps_per_execution": 1})
        config = config.model_copy(update={"training": short})
        model, data, of_training = train(table, planted.parts, config, settings.patience)
        for name, value in of_training.items():
            values[name] = values.get(name, 0.0) + value
        values |= _test_aucs(planted, model, data)
    for name, optimum in planted.optimum.items():
        values[f"{name}/optimum"] = optimum
        values[f"{name}/share"] = (values[f"{name}/test_auc"] - 0.5) / (optimum - 0.5)
    return values


def _blocks(method: str, settings: Settings, num_tasks: int) -> tuple[Settings, dict[str, Any]]:
    if method in SCENARIO_BLOCKS:
        return settings, {"multitask": "shared_bottom", "multiscenario": method}
    if method == SHARED:
        # As deep and as wide as with a scenario block.
        widened = replace(settings, trunk_dims=(*settings.trunk_dims, settings.scenario_dim))
        return widened, {"multitask": "shared_bottom"}
    if method in CHAINS:
        return settings, {"multitask": "shared_bottom", "chain": method}
    block = "shared_bottom" if method == SINGLE else method
    return settings_for(block, settings, num_tasks), {"multitask": block}


def _test_aucs(planted: Planted, model: Ranker, data: PreparedTable) -> Values:
    held_out = HeldOut(data, "test")
    predictions = held_out.predict(model)
    if LABEL not in predictions:
        return {f"{n}/test_auc": auc(held_out.labels[n], each) for n, each in predictions.items()}
    start = planted.parts[2][0]  # The test rows stand at the end, in their order.
    return {
        f"{name}/test_auc": auc(
            held_out.labels[LABEL][rows - start], predictions[LABEL][rows - start]
        )
        for name, rows in planted.groups.items()
    }


def make_rows(runs: Mapping[tuple[str, str], Sequence[Values]]) -> list[Row]:
    """Makes the table: each relation's optimum, every method's share, the gains to be expected.

    Args:
        runs: The values of each seed by relation and method.

    Returns:
        The rows; a gain holds if the block's share is, in the mean over the seeds and the groups
        it is about, at least that of the method it is held against.
    """
    rows = []
    for relation in dict.fromkeys(relation for relation, _ in runs):
        of_methods = {method: values for (r, method), values in runs.items() if r == relation}
        first = next(iter(of_methods.values()))
        groups = [name.partition("/")[0] for name in first[0] if name.endswith("/optimum")]
        for group in groups:
            name = f"{relation}, {group}, planted optimum"
            rows.append(mean_row(name, [each[f"{group}/optimum"] for each in first], "AUC"))
        for method, group in itertools.product(of_methods, groups):
            shares = [each[f"{group}/share"] for each in of_methods[method]]
            rows.append(mean_row(f"{relation}, {group}, {method}", shares, "share of optimum"))
        means = {method: _mean_shares(values, groups) for method, values in of_methods.items()}
        best = max(means, key=lambda method: np.mean(means[method]))
        rows.append(mean_row(f"{relation}, best: {best}", means[best], "share of optimum"))
        rows += _claims(relation, of_methods, groups)
    return rows


def _claims(
    relation: str, of_methods: Mapping[str, Sequence[Values]], groups: Sequence[str]
) -> list[Row]:
    if relation not in CLAIMS:
        return []
    base, about, papers = CLAIMS[relation]
    if base not in of_methods:
        return []
    theirs = _mean_shares(of_methods[base], about or groups)
    rows = []
    for method, paper in papers.items():
        if method in of_methods:
            ours = _mean_shares(of_methods[method], about or groups)
            rows.append(
                mean_row(
                    f"{relation}{''.join(f', {each}' for each in about)}, gain of {method}",
                    [a - b for a, b in zip(ours, theirs, strict=True)],
                    "share of optimum",
                    reference=0.0,
                    reference_name=f"{base}; {paper}",
                    rule="at_least",
                    bound=0.0,
                )
            )
    return rows


def _mean_shares(runs: Sequence[Values], groups: Sequence[str]) -> list[float]:
    return [float(np.mean([each[f"{group}/share"] for group in groups])) for each in runs]


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--relations", nargs="+", choices=RELATIONS, default=RELATIONS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--rows", type=int, default=Sizes.train, help="training rows")
    add_options(parser, __file__, has_search=False)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    log, sizes = TrialLog(arguments.log), Sizes(train=arguments.rows)
    pairs = [
        (relation, method)
        for relation in arguments.relations
        for method in methods_of(relation)
        if method in arguments.methods
    ]
    runs: dict[tuple[str, str], list[Values]] = {pair: [] for pair in pairs}
    # Seed by seed, so that a broken run has something of every method.
    for seed, (relation, method) in itertools.product(arguments.seeds, pairs):
        settings = settings_of(relation)
        trial = {"relation": relation, "method": method, "seed": seed}
        values = log.measure(
            {**trial, "sizes": asdict(sizes), "settings": asdict(settings)},
            lambda r=relation, m=method, s=seed, t=settings: measure(r, m, t, s, sizes),
        )
        runs[relation, method].append(values)
    description = (
        f"generated, {sizes.train:,} training rows, {sizes.validation:,} for validation, "
        f"{sizes.test:,} for the test; two tasks or three scenarios under planted rules"
    )
    rows = make_rows(runs)
    sys.exit(not report(__file__, rows, description, arguments.seeds, arguments.results))


if __name__ == "__main__":
    main()
