"""The schema of plain rows, of whom and of what is left open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from recsys_tf.schema.features_and_tasks import FeaturesAndTasks


class TableSchema(FeaturesAndTasks):
    """Features, tasks and scenario of rows that need no user, no item and no moment.

    For rows that are only to be judged, such as the visits of a shop or the people of a census:
    every feature stands in the row itself, so there is nothing to retrieve and no history. The
    side of a feature says which dropout hides its ids (`user_dropout`, else `item_dropout`), and
    that it may tell the scenario: one of an item may not.

    Example:
        >>> from recsys_tf import NumericFeature, TaskSpec
        >>> schema = TableSchema(
        ...     features=(NumericFeature(name="age", side="user"),),
        ...     tasks=(TaskSpec(name="buys", kind="binary", label="buys"),),
        ... )
        >>> [task.name for task in schema.ranking_tasks]
        ['buys']
    """

    has_auxiliary_tasks: ClassVar[bool] = False

    def _faults(self) -> Iterable[str]:
        if not self.features:
            yield "features: at least one feature is needed"
        yield from super()._faults()
        for index, feature in enumerate(self.features):
            if feature.kind == "history":
                yield f"features.{index}.kind: a row of a table has no history; use `Schema`"
        for index, task in enumerate(self.tasks):
            if task.kind == "retrieval":
                yield f"tasks.{index}.kind: rows of a table hold no items to retrieve; use `Schema`"
