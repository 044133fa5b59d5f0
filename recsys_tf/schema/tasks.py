"""What is to be learned of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from recsys_tf.naming import unknown_name_message
from recsys_tf.spec import Spec


class TaskSpec(Spec):
    """One thing to learn.

    Attributes:
        name: Name of the task; its head, loss and metrics carry it.
        kind: `retrieval` (which item of the whole catalogue), `regression`, `binary`,
            `multiclass` (one of a categorical feature's values) or `multilabel` (any number of a
            multivalent feature's values).
        label: Column of the label. For `multiclass` and `multilabel` it names a categorical
            feature. For `retrieval` it is left out: every row is a positive, unless
            `positive_at_least` is given as well. A label that is one of the features needs
            `from_features` without it: a head over all features would read it.
        positive_at_least: For `binary` and `retrieval`: the label's value from which on the row
            is a positive. Without it a binary label must be 0 or 1.
        value_range: For `regression`: lowest and highest possible label, such as `(1, 5)`. Rows
            outside are rejected when the data is read, and predictions stay inside.
        sample_weight: Column of a weight for each row, 0 to leave the row out of this task.
        loss_weight: Factor of this task in the multi-task loss.
        after: For `binary`: the binary task without whose success this one cannot succeed, as a
            purchase after a click. Both are labels of all rows: where the other is 0 this one is
            0, not missing. `ModelConfig.chain` says what is made of it.
        from_features: Makes the task an auxiliary one: the head sees the encodings of these
            features alone. The content task predicts genres from the text alone, so that the text
            encoder has to learn them. `multiclass` and `multilabel` need it.

    A label that is missing (NaN, or an empty string) takes the row out of this task and of no
    other.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
    kind: Literal["retrieval", "regression", "binary", "multiclass", "multilabel"]
    label: str | None = None
    positive_at_least: float | None = None
    value_range: tuple[float, float] | None = None
    sample_weight: str | None = None
    loss_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    after: str | None = None
    from_features: tuple[str, ...] | None = None


def task_faults(
    task: TaskSpec, by_name: Mapping[str, Any], *, has_auxiliary: bool = True
) -> Iterable[str]:
    """Yields what is wrong with a task among features; each text begins with the field.

    Args:
        task: The task.
        by_name: The features.
        has_auxiliary: Whether there may be auxiliary tasks, `from_features`; a ranker has none.
    """
    if task.kind != "retrieval" and task.label is None:
        yield f"label: a task of kind {task.kind!r} needs the name of a column"
    if task.kind == "retrieval" and (task.label is None) != (task.positive_at_least is None):
        yield "label: for retrieval give both `label` and `positive_at_least`, or neither"
    if task.positive_at_least is not None and task.kind not in ("binary", "retrieval"):
        yield f"positive_at_least: has no meaning for a task of kind {task.kind!r}"
    if task.value_range is not None and task.kind != "regression":
        yield f"value_range: has no meaning for a task of kind {task.kind!r}"
    if task.value_range is not None and not task.value_range[0] < task.value_range[1]:
        yield f"value_range: must be the lowest, then the highest, received {task.value_range}"
    if task.kind in ("multiclass", "multilabel") and task.label is not None:
        label = by_name.get(task.label)
        wants_set = task.kind == "multilabel"
        if label is None or label.kind != "categorical" or label.is_multivalent != wants_set:
            shape = "a multivalent" if wants_set else "a single-valued"
            yield f"label: must name {shape} categorical feature, received {task.label!r}"
    columns = {"sample_weight": task.sample_weight}
    if task.kind not in ("multiclass", "multilabel"):
        columns["label"] = task.label
    for field, name in columns.items():
        if name is not None and name in by_name and by_name[name].kind != "numeric":
            yield (
                f"{field}: must name a column of numbers, {name!r} is a feature of kind "
                f"{by_name[name].kind!r}"
            )
    is_of_many = task.kind in ("multiclass", "multilabel")
    if not has_auxiliary and (is_of_many or task.from_features is not None):
        field = "kind" if task.from_features is None else "from_features"
        yield f"{field}: a ranker of a table has no auxiliary tasks; leave the task out"
    else:
        yield from _leak_faults(task, by_name, has_auxiliary)
    for name in task.from_features or ():
        if name not in by_name:
            yield "from_features: " + unknown_name_message("feature", name, by_name)
        elif name == task.label:
            yield f"from_features: holds the label {name!r} itself, which leaks the answer"
    if task.from_features is not None and task.kind == "retrieval":
        yield "from_features: has no meaning for a task of kind 'retrieval'"
    if task.from_features is not None and len(task.from_features) == 0:
        yield "from_features: must name at least one feature"


def _leak_faults(task: TaskSpec, by_name: Mapping[str, Any], has_auxiliary: bool) -> Iterable[str]:
    """Yields a fault where a head over all features would read its own label."""
    is_read = task.kind != "retrieval" and task.from_features is None
    if not is_read or task.label not in by_name:
        return
    ways_out = ["name `from_features` without it"] if has_auxiliary else []
    if task.kind not in ("multiclass", "multilabel"):
        ways_out.append("leave the feature out: a label of numbers needs none")
    yield (
        f"label: {task.label!r} is one of the features, which the task's head reads, so that the "
        f"answer leaks; {', or '.join(ways_out)}"
    )


def chain_faults(tasks: Sequence[TaskSpec]) -> Iterable[str]:
    """Yields what is wrong with which task comes after which; each text begins with the path."""
    by_name = {each.name: each for each in tasks}
    after = {each.name: each.after for each in tasks if each.after is not None}
    for index, task in enumerate(tasks):
        if task.after is None:
            continue
        path = f"tasks.{index}.after"
        if not _is_event(task):
            yield f"{path}: has a meaning only for a task of kind 'binary' without `from_features`"
        if task.after not in by_name:
            yield f"{path}: " + unknown_name_message("task", task.after, by_name)
        elif not _is_event(by_name[task.after]):
            yield (
                f"{path}: must name a task of kind 'binary' without `from_features`, "
                f"received {task.after!r}"
            )
        steps = steps_before(task.name, after)
        if task.name in steps:
            way = " after ".join(map(repr, (task.name, *steps)))
            yield f"{path}: must not lead back to the task itself, received {way}"


def steps_before(name: str, after: Mapping[str, str]) -> list[str]:
    """Returns the tasks that must succeed before one, the nearest first.

    Args:
        name: The task.
        after: By task, the one it comes after.

    Returns:
        Names; in a ring they end where one would stand twice.

    Example:
        >>> steps_before("buy", {"buy": "cart", "cart": "click"})
        ['cart', 'click']
    """
    steps: list[str] = []
    while name in after and after[name] not in steps:
        name = after[name]
        steps.append(name)
    return steps


def _is_event(task: TaskSpec) -> bool:
    return task.kind == "binary" and task.from_features is None
