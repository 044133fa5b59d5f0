"""The one check that every multi-task block makes of its tasks' names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def check_task_names(task_names: Iterable[str]) -> tuple[str, ...]:
    """Returns the names as a tuple if there is at least one and none stands twice.

    Args:
        task_names: Names of the tasks, in the order of the gates.

    Returns:
        The same names.

    Raises:
        ValueError: If there is no name, a name stands twice, or a single text was given.

    Example:
        >>> check_task_names(["click", "rating"])
        ('click', 'rating')
    """
    if isinstance(task_names, str):
        raise ValueError(
            f"`task_names` must be a list of names, received the text {task_names!r}. "
            f"Write [{task_names!r}] for one task."
        )
    names = tuple(task_names)
    if not names:
        raise ValueError("`task_names` must hold at least one name, received none.")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"`task_names` must differ, received {repeated[0]!r} twice.")
    return names
