"""The mark of weights that have nothing to decide."""

from __future__ import annotations

from collections.abc import Iterable

import keras


def mark_idle(variables: Iterable[keras.Variable]) -> None:
    """Marks weights that no output depends on: those of a softmax over one choice.

    They are made all the same, so that a layer has the same weights whatever its sizes. Who looks
    for what does not learn, as the self-checks do, passes over variables with `is_idle`.

    Args:
        variables: The weights.

    Example:
        >>> bias = keras.Variable([0.0])
        >>> mark_idle([bias])
        >>> bias.is_idle
        True
    """
    for each in variables:
        each.is_idle = True
