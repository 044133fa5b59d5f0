"""From a configuration to rows that a model can be trained and measured on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import tensorflow as tf

from recsys_tf.config import RunConfig
from recsys_tf.datasets import Interactions, Split, load_configured, make_split
from recsys_tf.features import (
    Examples,
    FeatureState,
    Preprocessor,
    catalogue_examples,
    fit_state,
    make_dataset,
    make_examples,
)
from recsys_tf.models.block_options import check_run_blocks
from recsys_tf.preparation.evaluation_faults import check_evaluation_config
from recsys_tf.schema import Schema
from recsys_tf.types import FloatArray, IntArray

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class PreparedData:
    """A data set, cut into parts and joined with histories; preprocessing learned from training.

    Attributes:
        config: The run.
        interactions: The data set.
        schema: Its features and tasks, or those that the configuration gives instead.
        split: Rows of each part.
        is_validation_trained: Whether the validation rows are training rows: for the last run,
            when everything is chosen.

    Raises:
        SpecError: If the configuration's `evaluation` names what there is not.
        ValueError: If rows are to be weighed by their age, or the history to tell times, where only
            the events' order is known.
    """

    config: RunConfig
    interactions: Interactions
    schema: Schema
    split: Split
    is_validation_trained: bool = False

    def __post_init__(self) -> None:
        """Checks that there is what the configuration asks for."""
        check_evaluation_config(
            self.config.evaluation,
            self.schema,
            has_rows=self.config.sequence is None,
            has_lists=self.ranked_as is not None,
        )
        if not self.interactions.is_time_comparable:
            history = self.schema.history
            if history is not None and history.times_name is not None:
                raise ValueError(
                    f"`times_name` of the history {history.name!r} must be None for a data set "
                    "that knows only the order of the events within each user: its timestamps are "
                    "places in a row, and the time between two of them means nothing."
                )
            check_no_recency(
                self.config,
                "a data set that knows only the order of the events within each user: its "
                "timestamps are places in a row, and tell no age",
            )

    @property
    def ranked_as(self) -> str | None:
        """The `<task>` by which users' lists are told; None where none are ranked.

        The retrieval task's name. A run with `sequence` ranks without one, as `retrieval`: all
        events are positives.
        """
        task = self.schema.retrieval_task
        if task is not None:
            return task.name
        return None if self.config.sequence is None else "retrieval"

    @cached_property
    def train_rows(self) -> IntArray:
        """Positions of the training rows in `interactions.events`."""
        return self._rows_before_test if self.is_validation_trained else self.split.train

    @cached_property
    def catalogue(self) -> Examples:
        """One row an item."""
        return catalogue_examples(self.schema, self.interactions.items)

    @cached_property
    def train_examples(self) -> Examples:
        """The training rows."""
        return self.examples("train")

    @cached_property
    def state(self) -> FeatureState:
        """Vocabularies and moments of the training rows."""
        return fit_state(self.schema, self.train_examples, self.catalogue, self.config.model.text)

    @cached_property
    def preprocessor(self) -> Preprocessor:
        """Applies `state` to raw features."""
        return Preprocessor(self.schema, self.state)

    def rows(self, part: Part) -> IntArray:
        """Positions of a part's rows in `interactions.events`."""
        return self.train_rows if part == "train" else getattr(self.split, part)

    def known_rows(self, part: Part) -> IntArray:
        """Positions of the rows that may be known when a part is answered for.

        For validation these are the training rows, for the test those and the validation rows.
        Histories are built from them and they are left out of rankings.
        """
        return self._rows_before_test if part == "test" else self.train_rows

    @cached_property
    def _rows_before_test(self) -> IntArray:
        return np.sort(np.concatenate([self.split.train, self.split.validation]))

    def examples(self, part: Part, rows: IntArray | None = None) -> Examples:
        """Joins rows of a part with their users and histories.

        Args:
            part: Which part; its `known_rows` give the histories.
            rows: Positions in `interactions.events`; None takes all of the part.

        Returns:
            The rows.
        """
        return make_examples(
            self.schema,
            self.interactions.events,
            self.interactions.users,
            self.rows(part) if rows is None else rows,
            history=self.config.data.history,
            reference_rows=self.known_rows(part),
        )

    def dataset(self, part: Part, rows: IntArray | None = None) -> tf.data.Dataset:
        """Makes batches of a part, in random order for training."""
        is_train = part == "train"
        examples = self.train_examples if is_train and rows is None else self.examples(part, rows)
        return make_dataset(
            examples,
            self.catalogue,
            self.preprocessor,
            self.schema,
            self.config.training.batch_size,
            shuffle_seed=self.config.training.seed if is_train else None,
            row_weights=self.row_weights(examples) if is_train else None,
        )

    def row_weights(self, examples: Examples) -> FloatArray | None:
        """Returns the weight of each training row, None where all weigh alike."""
        half_life = self.config.training.recency_half_life_days
        if half_life is None:
            return None
        return recency_weights(examples.columns[self.schema.timestamp], half_life)


def check_no_recency(config: RunConfig, what: str) -> None:
    """Checks that a run does not ask for weights by age where there are none.

    Args:
        config: The run.
        what: What has none, and why.

    Raises:
        ValueError: If `training.recency_half_life_days` is given.
    """
    half_life = config.training.recency_half_life_days
    if half_life is not None:
        raise ValueError(
            f"`training.recency_half_life_days` must be None for {what}; received {half_life:g}."
        )


def recency_weights(timestamps: IntArray, half_life_days: float) -> FloatArray:
    """Computes `0.5^(age / half_life)` of each row, scaled to a mean of 1.

    Args:
        timestamps: Seconds `[B]`; the age counts from the newest.
        half_life_days: Age at which a row weighs half, in days.

    Returns:
        float64 `[B]`.

    Example:
        >>> recency_weights(np.array([0, 86_400]), half_life_days=1.0).round(3).tolist()
        [0.667, 1.333]
    """
    age_days = (timestamps.max() - timestamps) / 86_400
    weights = 0.5 ** (age_days / half_life_days)
    return weights / weights.mean()


def prepare(
    config: RunConfig,
    interactions: Interactions | None = None,
    *,
    is_validation_trained: bool = False,
) -> PreparedData:
    """Loads and splits the data of a run.

    Args:
        config: The run.
        interactions: The data set; None loads the one that `config.data` names.
        is_validation_trained: Whether the validation rows become training rows.

    Returns:
        The data; histories and preprocessing are made when they are first asked for.

    Raises:
        SpecError: If a block of the model, or an option, is not known; the text lists every fault.
        ValueError: If the data set is unknown, a part of the split stays empty, or rows are to be
            weighed by their age where only the events' order is known.
    """
    check_run_blocks(config)
    if interactions is None:
        interactions = load_configured(config)
    return PreparedData(
        config=config,
        interactions=interactions,
        schema=config.features_and_tasks or interactions.schema,
        split=make_split(interactions, config.data),
        is_validation_trained=is_validation_trained,
    )
