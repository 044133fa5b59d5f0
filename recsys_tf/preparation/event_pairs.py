"""The events of a data set as pairs of a user and an item, for matrices of users by items."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_tf.datasets import interaction_matrix
from recsys_tf.features.frames import FrameColumns
from recsys_tf.preparation.prepared_data import PreparedData
from recsys_tf.schema import Side, TaskSpec
from recsys_tf.types import Array, FloatArray, IntArray

_FRAMES: dict[Side, str] = {"context": "events", "user": "users", "item": "items"}


@dataclass(frozen=True)
class EventPairs:
    """Reads the events by user and item, both in the order of their frames.

    Attributes:
        data: The data.
    """

    data: PreparedData

    @cached_property
    def users(self) -> IntArray:
        """The user of each event as a row of `interactions.users`."""
        frames, name = self.data.interactions, self.data.schema.user_id
        return pd.Index(frames.users[name]).get_indexer(frames.events[name])

    @cached_property
    def items(self) -> IntArray:
        """The item of each event as a row of `interactions.items`."""
        frames, name = self.data.interactions, self.data.schema.item_id
        return pd.Index(frames.items[name]).get_indexer(frames.events[name])

    @cached_property
    def seconds(self) -> FloatArray:
        """When each event was, in seconds."""
        return self.column(self.data.schema.timestamp)

    def matrix(self, rows: IntArray, values: Array | None = None) -> sparse.csr_matrix:
        """Makes the matrix `[U, N]` of these events; see `interaction_matrix`."""
        frames = self.data.interactions
        shape = len(frames.users), len(frames.items)
        return interaction_matrix(self.users[rows], self.items[rows], *shape, values)

    def column(self, name: str) -> FloatArray:
        """Reads a column of numbers, which may stand with the event, its user or its item.

        Args:
            name: A label, a weight or a numeric feature.

        Returns:
            float64, one an event.
        """
        side = self.side(name)
        return self._of_events(side, self._frame(side)[name].to_numpy(dtype="float64"))

    def texts(self, name: str) -> Array:
        """Reads a single-valued categorical feature, which may stand on any side.

        Args:
            name: The feature.

        Returns:
            object `[E]` of `str`, one an event; "" where the value is missing.

        Raises:
            ValueError: If there is no such column.
            TypeError: If it holds no strings.
        """
        side = self.side(name)
        columns = FrameColumns(self._frame(side), _FRAMES[side])
        return self._of_events(side, columns.strings(name))

    def side(self, name: str) -> Side:
        """Returns where a column stands; what is no feature, such as a label, with the events."""
        features = self.data.schema.features
        return next((each.side for each in features if each.name == name), "context")

    def _frame(self, side: Side) -> pd.DataFrame:
        frame: pd.DataFrame = getattr(self.data.interactions, _FRAMES[side])
        return frame

    def _of_events(self, side: Side, values: Array) -> Array:
        """Returns each event's own, its user's or its item's value."""
        if side == "context":
            return values
        return values[self.users if side == "user" else self.items]

    def weights(self, task: TaskSpec) -> FloatArray:
        """Returns the weight of each event in a task, 1 where the task names none."""
        if task.sample_weight is None:
            return np.ones(len(self.users))
        return self.column(task.sample_weight)

    def positives(self, rows: IntArray) -> IntArray:
        """Keeps the rows that retrieval learns from and is measured by.

        Those whose label is high enough and whose weight is above 0; without a retrieval task all.
        """
        task = self.data.schema.retrieval_task
        if task is None:
            return rows
        if task.label is not None and task.positive_at_least is not None:
            rows = rows[self.column(task.label)[rows] >= task.positive_at_least]
        return rows[self.weights(task)[rows] > 0]

    def by_time(self, rows: IntArray) -> IntArray:
        """Sorts rows by their time; those of one moment keep their order."""
        return rows[np.argsort(self.seconds[rows], kind="stable")]

    def first_rows(self, rows: IntArray) -> IntArray:
        """Finds the earliest of the rows of each user, `[U]`; -1 where a user has none."""
        first = np.full(len(self.data.interactions.users), -1)
        rows = self.by_time(rows)[::-1]
        # Written from the last to the first, so that the first stays.
        first[self.users[rows]] = rows
        return first

    def last_times(self, rows: IntArray) -> sparse.csr_matrix | None:
        """When each pair of the rows was last seen, `[U, N]`; None where that means nothing."""
        if not self.data.interactions.is_time_comparable:
            return None
        # Of a pair's events the last one given counts.
        rows = self.by_time(rows)
        return self.matrix(rows, self.seconds[rows])
