"""The validation rows that an answer's calibrations and weights are fitted to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import tensorflow as tf

from recsys_tf.export.calibrating import check_not_trained, labelled_rows
from recsys_tf.features import Examples, Preprocessor, make_dataset
from recsys_tf.preparation import EventPairs, PreparedData
from recsys_tf.schema import Schema, TaskSpec
from recsys_tf.types import FloatArray, IntArray, Tensor, TensorDict


class ValidationRows(Protocol):
    """What is read of `n` held-out rows, wherever they are kept."""

    @property
    def schema(self) -> Schema:
        """Features and tasks."""

    @property
    def preprocessor(self) -> Preprocessor:
        """The preprocessing that the model was trained with."""

    @property
    def catalogue(self) -> Examples:
        """One row an item."""

    @property
    def users(self) -> IntArray:
        """A number of each row's user, 0 or more, int64 `[n]`."""

    @property
    def items(self) -> IntArray:
        """Each row's item as a row of the catalogue, int64 `[n]`."""

    @property
    def timestamps(self) -> IntArray:
        """When each row was, int64 `[n]`."""

    def labels(
        self, tasks: Sequence[TaskSpec]
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Returns labels and weights by task, float32 `[n]`, as `make_labels` makes them."""

    def batches(self) -> tf.data.Dataset:
        """Returns batches `(features, labels, weights)` of the rows, always in their order."""

    def requests(self, rows: IntArray) -> Iterator[tuple[TensorDict, Tensor]]:
        """Yields what would be asked at these rows, as `ServedRecommender.candidates` takes it."""


def validation_rows(data: PreparedData | ValidationRows, fitted: str) -> ValidationRows:
    """Returns the validation rows of prepared data; rows as they are.

    Args:
        data: What a model was trained on, or rows that it was not.
        fitted: What is to be fitted, for the text.

    Raises:
        ValueError: If the validation rows were trained on.
    """
    if not isinstance(data, PreparedData):
        return data
    check_not_trained(data, fitted)
    return _RowsOfData(data)


@dataclass(frozen=True, eq=False)
class _RowsOfData:
    """The validation rows of prepared data."""

    data: PreparedData

    @property
    def schema(self) -> Schema:
        return self.data.schema

    @property
    def preprocessor(self) -> Preprocessor:
        return self.data.preprocessor

    @property
    def catalogue(self) -> Examples:
        return self.data.catalogue

    @cached_property
    def users(self) -> IntArray:
        return EventPairs(self.data).users[self.data.rows("validation")]

    @cached_property
    def items(self) -> IntArray:
        return EventPairs(self.data).items[self.data.rows("validation")]

    @property
    def timestamps(self) -> IntArray:
        events = self.data.interactions.events.iloc[self.data.rows("validation")]
        return events[self.schema.timestamp].to_numpy("int64")

    def labels(
        self, tasks: Sequence[TaskSpec]
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        labels, weights, _ = labelled_rows(self.data, tasks)
        return labels, weights

    def batches(self) -> tf.data.Dataset:
        return self.data.dataset("validation")

    def requests(self, rows: IntArray) -> Iterator[tuple[TensorDict, Tensor]]:
        examples = self.data.examples("validation", self.data.rows("validation")[rows])
        batches = make_dataset(
            examples,
            self.catalogue,
            self.preprocessor,
            self.schema,
            self.data.config.training.batch_size,
            # A user may meet an item again: what is known of the past is no leak.
            is_target_masked=False,
        )
        start = 0
        for features, _, _ in batches:
            end = start + len(features[self.schema.item_id])
            yield features, _histories(examples, self.schema, start, end)
            start = end


def _histories(examples: Examples, schema: Schema, start: int, end: int) -> Tensor:
    """Returns the items of the rows' histories, string `[B, L]`."""
    if schema.history is None:
        return tf.fill([end - start, 0], "")
    column = examples.lists[schema.history.name]
    lists = [column.row(row).tolist() for row in range(start, end)]
    width = max(map(len, lists), default=0)
    padded = [[*each, *[""] * (width - len(each))] for each in lists]
    return tf.constant(padded, tf.string, shape=[end - start, width])
