"""The tables of `multitask_tables.py`: which data, cut how, learned with which sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from trials import Parts, Settings

from recsys_tf.datasets import LabelledTable, load_adult, load_census_income, split_table
from recsys_tf.multitask import MULTITASK_BLOCKS

VALIDATION_SHARE, TEST_SHARE = 0.15, 0.15

GRID = {
    "learning_rate": (5e-4, 1e-3, 2e-3, 4e-3),
    "dropout": (0.0, 0.1, 0.2, 0.4),
    "embedding_dim": (8, 16, 32),
    "expert_dim": (32, 64, 128),
    "num_cross_layers": (0, 1),
    "trunk_dims": ((), (128,)),
    "weight_decay": (0.0, 1e-2, 1e-1),
}
"""What `--search` draws from."""


@dataclass(frozen=True)
class Problem:
    """One data set of the table.

    Attributes:
        load: Reads it: `(folder, tasks) -> table`.
        tasks: The tasks that it is measured on where none are named.
        settings: Sizes and training; `--search` tries others on the validation rows.
        num_bins: `NumericFeature.num_bins` of each number; trees cut numbers by themselves.
        references: Published or earlier measured AUC by task, and whose it is.
        description: Which data, cut how.
    """

    load: Callable[[str | None, Sequence[str]], LabelledTable]
    tasks: tuple[str, ...]
    settings: Settings
    num_bins: int
    references: Mapping[str, tuple[float, str]]
    description: str


PROBLEMS = {
    "adult": Problem(
        load=lambda folder, tasks: with_tasks(load_adult(folder), tasks),
        tasks=("income", "never_married"),
        settings=Settings(batch_size=256, epochs=8, patience=3, learning_rate=2e-3),
        num_bins=32,
        references={
            "income": (0.9198, "single task, IJANMC 2024"),
            "never_married": (0.9764, "PLE, IJANMC 2024"),
        },
        description="UCI Adult, published training and test files",
    ),
    "census": Problem(
        load=load_census_income,
        tasks=("income", "never_married"),
        settings=Settings(batch_size=512, epochs=8, patience=3, learning_rate=2e-3),
        num_bins=32,
        references={
            "income": (0.9494, "boosted trees, measured before on another draw"),
            "never_married": (0.9947, "boosted trees, measured before on another draw"),
        },
        description=(
            "UCI Census-Income, the published test half drawn 70/15/15; all methods by the same "
            "settings, not searched by method"
        ),
    ),
}


def with_tasks(table: LabelledTable, tasks: Sequence[str]) -> LabelledTable:
    """Returns the same rows and features with some of the tasks, in the order of `tasks`."""
    chosen = tuple(table.schema.task(name) for name in tasks)
    schema = table.schema.model_copy(update={"tasks": chosen})
    return LabelledTable(schema, table.rows, table.published_test_rows, table.rejections)


def with_bins(table: LabelledTable, num_bins: int) -> LabelledTable:
    """Returns the same rows with each number in bins as well."""
    features = tuple(
        each.model_copy(update={"num_bins": num_bins}) if each.kind == "numeric" else each
        for each in table.schema.features
    )
    schema = table.schema.model_copy(update={"features": features})
    return LabelledTable(schema, table.rows, table.published_test_rows, table.rejections)


def split(table: LabelledTable, seed: int) -> Parts:
    """Draws the training and validation rows, and the test rows where none are published."""
    if table.published_test_rows is None:
        return split_table(len(table), TEST_SHARE, VALIDATION_SHARE, seed)
    others = np.setdiff1d(np.arange(len(table)), table.published_test_rows)
    others = np.random.default_rng(seed).permutation(others)
    num_validation = round(len(others) * VALIDATION_SHARE)
    train_rows, validation = np.sort(others[num_validation:]), np.sort(others[:num_validation])
    return train_rows, validation, table.published_test_rows


def settings_for(method: str, settings: Settings, num_tasks: int) -> Settings:
    """Returns the settings in the form that a block needs: STEM cuts the embeddings into parts."""
    if not MULTITASK_BLOCKS[method].reads_parts:
        return settings
    return replace(settings, embedding_dim=settings.embedding_dim * (num_tasks + 1))
