"""From a labelled table to batches that a ranker can be trained and measured on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from recsys_tf.config import RunConfig
from recsys_tf.datasets import LabelledTable, load_configured_table
from recsys_tf.features import (
    Examples,
    FeatureState,
    Preprocessor,
    fit_state,
    make_table_dataset,
    table_examples,
)
from recsys_tf.models.block_options import check_run_blocks
from recsys_tf.preparation.evaluation_faults import check_evaluation_config
from recsys_tf.preparation.prepared_data import Part, check_no_recency
from recsys_tf.schema import TableSchema
from recsys_tf.spec import SpecError, list_faults
from recsys_tf.types import Array, IntArray


@dataclass(frozen=True, eq=False)
class PreparedTable:
    """A labelled table, cut into parts; preprocessing is learned from the training rows alone.

    Attributes:
        config: The run; `model`, `training` and `evaluation` are read.
        table: The data set.
        train: Positions of the training rows.
        validation: Positions of the rows that settings are chosen on.
        test: Positions of the rows that are measured once.

    Raises:
        SpecError: If the configuration's `evaluation` names what there is not.
        ValueError: If a part is empty, holds no positions in the table or shares a row with
            another, or rows are to be weighed by an age that they do not tell.
        TypeError: If a part is no array of whole numbers.

    Example:
        >>> import pandas as pd
        >>> from recsys_tf import NumericFeature, TaskSpec
        >>> schema = TableSchema(
        ...     features=(NumericFeature(name="age", side="user"),),
        ...     tasks=(TaskSpec(name="buys", kind="binary", label="buys"),),
        ... )
        >>> rows = pd.DataFrame({"age": [20.0, 30.0, 40.0, 50.0], "buys": [0.0, 1.0, 0.0, 1.0]})
        >>> table = LabelledTable(schema, rows)
        >>> data = PreparedTable(RunConfig(), table, np.array([0, 1]), np.array([2]), np.array([3]))
        >>> data.state.moments["age"]
        (25.0, 5.0)
    """

    config: RunConfig
    table: LabelledTable
    train: IntArray
    validation: IntArray
    test: IntArray

    def __post_init__(self) -> None:
        """Checks that the parts are there and do not leak into each other."""
        check_evaluation_config(self.config.evaluation, self.schema, is_table=True)
        check_no_recency(self.config, "a table, whose rows tell no moment")
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, rows in parts.items():
            _check_positions(name, np.asarray(rows), len(self.table))
        everything = np.concatenate(list(parts.values()))
        num_repeated = len(everything) - len(np.unique(everything))
        if num_repeated:
            raise ValueError(
                f"`train`, `validation` and `test` must share no row, received {num_repeated} rows "
                "more than once."
            )

    @property
    def schema(self) -> TableSchema:
        """Features and tasks."""
        return self.table.schema

    @cached_property
    def train_examples(self) -> Examples:
        """The training rows."""
        return self.examples("train")

    @cached_property
    def state(self) -> FeatureState:
        """Vocabularies and moments of the training rows."""
        return fit_state(self.schema, self.train_examples, text=self.config.model.text)

    @cached_property
    def preprocessor(self) -> Preprocessor:
        """Applies `state` to raw features."""
        return Preprocessor(self.schema, self.state)

    def examples(self, part: Part) -> Examples:
        """Reads the rows of a part."""
        return table_examples(self.schema, self.table.rows.iloc[getattr(self, part)])

    def dataset(self, part: Part) -> tf.data.Dataset:
        """Makes batches of a part, in random order for training."""
        is_train = part == "train"
        return make_table_dataset(
            self.train_examples if is_train else self.examples(part),
            self.preprocessor,
            self.schema,
            self.config.training.batch_size,
            shuffle_seed=self.config.training.seed if is_train else None,
        )


def prepare_table(config: RunConfig, table: LabelledTable | None = None) -> PreparedTable:
    """Loads and splits the table of a run.

    Args:
        config: The run; its `data` says how rows are drawn, and its `table` whether those of the
            test are.
        table: The data set; None loads the one that `config.data` names.

    Returns:
        The data.

    Raises:
        SpecError: If a block of the model, or an option, is not known, `evaluation` names what
            there is not, or the published test rows are asked for where there are none; the text
            lists every fault.
        ValueError: If the data set is unknown, or a part stays empty.
    """
    check_run_blocks(config)
    if table is None:
        table = load_configured_table(config)
    return PreparedTable(config, table, *_drawn_parts(table, config))


def _drawn_parts(table: LabelledTable, config: RunConfig) -> tuple[IntArray, IntArray, IntArray]:
    """Draws training, validation and test rows, the last but where they are published."""
    data, num_rows = config.data, len(table)
    test: IntArray
    generator = np.random.default_rng(data.seed)
    if config.table is None or config.table.test_rows == "drawn":
        read = ["test_share", "validation_share"]
        order = generator.permutation(num_rows)
        drawn, rest = np.split(order, [round(num_rows * data.test_share)])
        test = np.sort(drawn)
        # Of all rows, where a run tells the share of those that the test leaves.
        num_validation = round(num_rows * (data.validation_share * (1 - data.test_share)))
    else:
        read = ["validation_share"]
        test = _published_rows(table, data.dataset)
        rest = generator.permutation(np.setdiff1d(np.arange(num_rows), test))
        num_validation = round(len(rest) * data.validation_share)
    validation, train = np.split(rest, [num_validation])
    counts = {"training": len(train), "validation": len(validation), "test": len(test)}
    if not all(counts.values()):
        shares = " and ".join(f"`data.{name}` {getattr(data, name):g}" for name in read)
        found = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        raise ValueError(
            f"each part of a table must hold a row, received {found} rows by {shares} of "
            f"{num_rows:,} rows in all; give more rows, or other shares."
        )
    return np.sort(train), np.sort(validation), test


def _published_rows(table: LabelledTable, dataset: str) -> IntArray:
    if table.published_test_rows is None:
        fault = (
            f"table.test_rows: must be drawn for {dataset}, of which no test rows are published; "
            "received 'published'"
        )
        raise SpecError(list_faults("RunConfig", [fault]))
    return table.published_test_rows


def _check_positions(name: str, rows: Array, num_rows: int) -> None:
    if not len(rows):
        raise ValueError(f"`{name}` must hold at least one row, received none.")
    if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
        raise TypeError(
            f"`{name}` must be positions, whole numbers [n], received {rows.dtype} of shape "
            f"{rows.shape}; of a mask `np.flatnonzero(mask)` are the positions."
        )
    outside = rows[(rows < 0) | (rows >= num_rows)]
    if len(outside):
        raise ValueError(f"`{name}` must hold positions in [0, {num_rows}), received {outside[0]}.")
