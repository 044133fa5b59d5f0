"""What every schema has: features, tasks, and the scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import model_validator

from recsys_tf.naming import unknown_name_message
from recsys_tf.schema.features import FeatureSpec, HistoryFeature
from recsys_tf.schema.tasks import TaskSpec, chain_faults, steps_before, task_faults
from recsys_tf.spec import Spec


class ScenarioSpec(Spec):
    """Which categorical feature tells the scenario (surface, market, age group) of a row."""

    feature: str


class FeaturesAndTasks(Spec):
    """Features, tasks and scenario, whatever the rows are; the base of every schema."""

    # Whether a model of such rows has heads that see chosen features alone.
    has_auxiliary_tasks: ClassVar[bool] = True

    features: tuple[FeatureSpec, ...]
    tasks: tuple[TaskSpec, ...]
    scenario: ScenarioSpec | None = None

    @model_validator(mode="after")
    def _cross_check(self) -> FeaturesAndTasks:
        faults = list(self._faults())
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def ranking_tasks(self) -> tuple[TaskSpec, ...]:
        """Tasks with a head over all features, or over the query and the candidate."""
        return tuple(
            each for each in self.tasks if each.kind != "retrieval" and not each.from_features
        )

    @property
    def single_tasks(self) -> tuple[TaskSpec, ...]:
        """Ranking tasks of one number a row: regression and binary ones."""
        return tuple(each for each in self.ranking_tasks if each.kind in ("regression", "binary"))

    @property
    def auxiliary_tasks(self) -> tuple[TaskSpec, ...]:
        """Tasks whose head sees chosen features alone; trained, but not part of an answer."""
        return tuple(each for each in self.tasks if each.from_features)

    @property
    def parents(self) -> dict[str, str]:
        """By task that comes `after` another, that other; the first steps of a chain first."""
        after = {each.name: each.after for each in self.tasks if each.after is not None}
        return dict(sorted(after.items(), key=lambda pair: len(steps_before(pair[0], after))))

    def feature(self, name: str) -> Any:
        """Returns the feature of that name.

        Raises:
            KeyError: If there is none; the text gives the nearest names.
        """
        return _named(self.features, name, "feature")

    def task(self, name: str) -> TaskSpec:
        """Returns the task of that name.

        Raises:
            KeyError: If there is none; the text gives the nearest names.
        """
        return _named(self.tasks, name, "task")

    def _faults(self) -> Iterable[str]:
        """Yields everything that does not hold together, each with its field's path."""
        yield from self._name_faults()
        yield from self._scenario_faults()
        yield from self._task_faults()

    def _name_faults(self) -> Iterable[str]:
        names = [each.name for each in self.features]
        histories = [each for each in self.features if isinstance(each, HistoryFeature)]
        names += [name for each in histories for name in each.aligned.values()]
        for name in _repeated(names):
            yield f"features: the name {name!r} is given twice"

    def _scenario_faults(self) -> Iterable[str]:
        if self.scenario is None:
            return
        found = {each.name: each for each in self.features}.get(self.scenario.feature)
        is_usable = (
            found is not None
            and found.kind == "categorical"
            and not found.is_multivalent
            and found.side != "item"
        )
        if not is_usable:
            yield (
                "scenario.feature: must name a single-valued categorical feature of the user or "
                f"the context, received {self.scenario.feature!r}"
            )

    def _task_faults(self) -> Iterable[str]:
        if not self.tasks:
            yield "tasks: at least one task is needed"
        for name in _repeated(each.name for each in self.tasks):
            yield f"tasks: the name {name!r} is given twice"
        by_name = {each.name: each for each in self.features}
        for index, task in enumerate(self.tasks):
            for fault in task_faults(task, by_name, has_auxiliary=self.has_auxiliary_tasks):
                yield f"tasks.{index}.{fault}"
        yield from chain_faults(self.tasks)


def _named(specs: Iterable[Any], name: str, argument: str) -> Any:
    by_name = {each.name: each for each in specs}
    if name not in by_name:
        raise KeyError(unknown_name_message(argument, name, by_name))
    return by_name[name]


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
