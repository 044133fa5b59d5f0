"""The written validation rows, as an answer's calibrations and weights are fitted to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import tensorflow as tf

from pipeline.training_rows import TrainingRows, serialized_rows, training_dataset
from recsys_tf.features import Examples, Preprocessor, make_labels
from recsys_tf.features.tf_example import parse_raw
from recsys_tf.schema import Schema, TaskSpec
from recsys_tf.types import Array, FloatArray, IntArray, Tensor, TensorDict


@dataclass(frozen=True, eq=False)
class WrittenValidationRows:
    """The rows of the validation split, in the order in which they were written.

    Attributes:
        patterns: File patterns of the split's raw examples, written as they are served: histories
            are those that an answer would be given.
        rows: What `read_rows` made of them.
        schema: Features and tasks.
        preprocessor: The preprocessing.
        catalogue: One row an item.
        batch_size: Rows a batch.
    """

    patterns: Sequence[str]
    rows: TrainingRows
    schema: Schema
    preprocessor: Preprocessor
    catalogue: Examples
    batch_size: int

    @cached_property
    def users(self) -> IntArray:
        """A number of each row's user."""
        return pd.factorize(self._ids[self.schema.user_id])[0].astype(np.int64)

    @cached_property
    def items(self) -> IntArray:
        """Each row's item as a row of the catalogue."""
        names = self.catalogue.columns[self.schema.item_id].astype(str)
        ids = np.char.decode(self._ids[self.schema.item_id].astype(bytes), "utf-8")
        return pd.Index(names).get_indexer(pd.Index(ids)).astype(np.int64)

    @property
    def timestamps(self) -> IntArray:
        """When each row was."""
        return self.rows.timestamps

    def labels(
        self, tasks: Sequence[TaskSpec]
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Returns labels and weights by task, as `make_labels` makes them."""
        schema = self.schema.model_copy(update={"tasks": tuple(tasks)})
        made = make_labels(self.rows.labels, self.rows.features, schema, {})
        labels, weights = ({name: np.asarray(v) for name, v in each.items()} for each in made)
        return labels, weights

    def batches(self) -> tf.data.Dataset:
        """Returns batches `(features, labels, weights)`."""
        num_indices = self.preprocessor.state.num_indices_by_name
        return training_dataset(self.rows, self.schema, num_indices, self.batch_size)

    def requests(self, rows: IntArray) -> Iterator[tuple[TensorDict, Tensor]]:
        """Yields features and history of these rows, from the files once more."""
        records = self._records(rows)
        for start in range(0, len(rows), self.batch_size):
            raw = parse_raw(tf.constant(records[start : start + self.batch_size]), self.schema)
            history = self.schema.history
            if history is None:
                met = tf.fill([len(raw[self.schema.user_id]), 0], "")
            else:
                met = raw[history.name].to_tensor("")
            yield self.preprocessor(raw), met

    def _records(self, rows: IntArray) -> list[bytes]:
        """Reads the examples of these rows, in their order."""
        found: dict[int, bytes] = {}
        start = 0
        wanted = np.sort(rows)
        for records in serialized_rows(self.patterns).as_numpy_iterator():
            low, high = np.searchsorted(wanted, [start, start + len(records)])
            found |= {int(row): records[row - start] for row in wanted[low:high]}
            start += len(records)
        return [found[int(row)] for row in rows]

    @cached_property
    def _ids(self) -> Mapping[str, Array]:
        """Raw ids of users and items, object `[n]` of bytes."""
        names = (self.schema.user_id, self.schema.item_id)
        parts = [parse_raw(each, self.schema) for each in serialized_rows(self.patterns)]
        return {name: np.concatenate([raw[name].numpy() for raw in parts]) for name in names}
