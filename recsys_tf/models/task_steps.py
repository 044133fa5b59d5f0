"""In which order a multi-task block hands on what the tasks know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys_tf.config import ModelConfig
from recsys_tf.multitask import MULTITASK_BLOCKS
from recsys_tf.naming import look_up
from recsys_tf.schema import FeaturesAndTasks


def with_steps(
    config: ModelConfig, schema: FeaturesAndTasks, *, is_loaded: bool = False
) -> ModelConfig:
    """Tells a block that hands on from task to task in which order, where the schema knows it.

    Args:
        config: Names the block; its own `multitask_options.steps` stay.
        schema: Its tasks say by `after` which of them come one after the other.
        is_loaded: Whether it is the configuration of a saved model: where it tells no steps, these
            are the tasks as they stand in the schema, whose weights it has.

    Returns:
        The configuration with the steps, where they are others than the order of the schema.
    """
    block = look_up(MULTITASK_BLOCKS, config.multitask, "multitask")
    if not block.is_in_steps or "steps" in config.multitask_options:
        return config
    names = [task.name for task in schema.ranking_tasks]
    steps = ordered_steps(names, schema.parents)
    if steps == names:
        return config
    options = {**config.multitask_options, "steps": tuple(names if is_loaded else steps)}
    return config.model_copy(update={"multitask_options": options})


def ordered_steps(names: Sequence[str], parents: Mapping[str, str]) -> list[str]:
    """Orders tasks by their chains, where they do not stand so: those outside of any come first.

    Args:
        names: The tasks.
        parents: By task that comes after another, that other.

    Returns:
        The names, as they stand where no step comes before the one it follows.

    Example:
        >>> ordered_steps(["buy", "rating", "click"], {"buy": "click"})
        ['rating', 'click', 'buy']
        >>> ordered_steps(["click", "rating", "buy"], {"buy": "click"})
        ['click', 'rating', 'buy']
    """
    before = {name: parents[name] for name in names if parents.get(name) in names}
    if all(names.index(parent) < names.index(name) for name, parent in before.items()):
        return list(names)
    chained = {*before, *before.values()}
    steps = [name for name in names if name not in chained]
    waiting = [name for name in reversed(names) if name in chained and name not in before]
    while waiting:
        steps.append(waiting.pop())
        waiting += [name for name in reversed(names) if before.get(name) == steps[-1]]
    return steps
