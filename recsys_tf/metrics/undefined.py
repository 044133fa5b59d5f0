"""What a metric says when its rows do not define it: NaN and a warning, never a made-up number."""

from __future__ import annotations

import warnings


class UndefinedMetricWarning(UserWarning):
    """The rows do not define the metric; it was given as NaN."""


def undefined(metric: str, reason: str) -> float:
    """Warns that `metric` is undefined because of `reason`.

    A neutral number instead (0.5 for an AUC) would hide that a slice holds one class only.

    Args:
        metric: Name of the metric.
        reason: What the rows lack, as the rest of a sentence.

    Returns:
        NaN.

    Example:
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     undefined("auc", "every label is 1")
        nan
        >>> str(caught[0].message)
        '`auc` is undefined and given as NaN: every label is 1.'
    """
    warnings.warn(
        f"`{metric}` is undefined and given as NaN: {reason}.",
        UndefinedMetricWarning,
        stacklevel=3,
    )
    return float("nan")
