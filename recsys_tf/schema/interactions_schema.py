"""The schema of interactions: users meet items at moments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recsys_tf.schema.features import HistoryFeature
from recsys_tf.schema.features_and_tasks import FeaturesAndTasks
from recsys_tf.schema.tasks import TaskSpec


class Schema(FeaturesAndTasks):
    """Features, tasks and scenarios of one recommendation problem.

    Example:
        >>> from recsys_tf import HistoryFeature, IdFeature
        >>> schema = Schema(
        ...     features=(
        ...         IdFeature(name="user_id", side="user"),
        ...         IdFeature(name="item_id", side="item"),
        ...         HistoryFeature(name="history", side="user", of="item_id"),
        ...     ),
        ...     tasks=(TaskSpec(name="watch", kind="retrieval"),),
        ... )
        >>> [feature.name for feature in schema.query_features]
        ['user_id', 'history']
    """

    user_id: str = "user_id"
    item_id: str = "item_id"
    timestamp: str = "timestamp"

    @property
    def query_features(self) -> tuple[Any, ...]:
        """Features of the asking side: the user's and the context's."""
        return tuple(each for each in self.features if each.side != "item")

    @property
    def candidate_features(self) -> tuple[Any, ...]:
        """Features of the item."""
        return tuple(each for each in self.features if each.side == "item")

    @property
    def retrieval_task(self) -> TaskSpec | None:
        """The retrieval task, or None where the schema has none."""
        return next((each for each in self.tasks if each.kind == "retrieval"), None)

    @property
    def history(self) -> HistoryFeature | None:
        """The history of items, or None where the schema has none."""
        return next((each for each in self.features if each.kind == "history"), None)

    @property
    def history_label(self) -> str | None:
        """Label whose values stand in the history: the first regression task's, or None.

        Auxiliary tasks are left out, whose label may be a feature of the items.
        """
        labels = (each.label for each in self.ranking_tasks if each.kind == "regression")
        return next(labels, None)

    def _faults(self) -> Iterable[str]:
        yield from self._name_faults()
        yield from self._column_faults()
        yield from self._id_faults()
        yield from self._history_faults()
        yield from self._scenario_faults()
        yield from self._task_faults()

    def _column_faults(self) -> Iterable[str]:
        """Yields names that two different columns of a row would have."""
        of_tasks = {
            name: f"tasks.{index}.{field}"
            for index, task in enumerate(self.tasks)
            for field, name in (("label", task.label), ("sample_weight", task.sample_weight))
            if name is not None
        }
        for index, feature in enumerate(self.features):
            if feature.name == self.timestamp:
                yield (
                    f"features.{index}.name: {feature.name!r} is the column of the times "
                    "(`timestamp`), which the feature would take the place of; give it a column "
                    "of its own"
                )
            aligned = feature.aligned if feature.kind == "history" else {}
            for told, name in aligned.items():
                if name == self.timestamp or name in of_tasks:
                    yield (
                        f"features.{index}.{told}_name: {name!r} is the column of "
                        f"{of_tasks.get(name, 'timestamp')} too, of one number a row; give the "
                        f"history's {told} another name, such as {'history_' + name!r}"
                    )
        if self.timestamp in of_tasks:
            yield (
                f"{of_tasks[self.timestamp]}: {self.timestamp!r} is the column of the times "
                "(`timestamp`); give the task a column of its own"
            )

    def _id_faults(self) -> Iterable[str]:
        by_name = {each.name: each for each in self.features}
        for field, side in (("user_id", "user"), ("item_id", "item")):
            name = getattr(self, field)
            found = by_name.get(name)
            if found is None or found.kind != "id" or found.side != side:
                yield (
                    f"{field}: must name a feature of kind 'id' and side {side!r}, "
                    f"received {name!r}"
                )

    def _history_faults(self) -> Iterable[str]:
        histories = [each for each in self.features if each.kind == "history"]
        if len(histories) > 1:
            yield f"features: at most one history is read, received {len(histories)}"
        for index, feature in enumerate(self.features):
            if feature.kind == "history" and feature.of != self.item_id:
                yield (
                    f"features.{index}.of: must be the item's id {self.item_id!r}, "
                    f"received {feature.of!r}"
                )
            if feature.kind == "history" and feature.side != "user":
                yield f"features.{index}.side: a history belongs to the side 'user'"

    def _task_faults(self) -> Iterable[str]:
        yield from super()._task_faults()
        if sum(each.kind == "retrieval" for each in self.tasks) > 1:
            yield "tasks: at most one task may be of kind 'retrieval'"
