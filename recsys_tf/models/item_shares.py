"""How popular each item is among the training rows."""

from __future__ import annotations

import numpy as np

from recsys_tf.layers.shapes import check_positive
from recsys_tf.types import UNKNOWN_INDEX, Array, FloatArray


def item_shares(
    counts: Array, weights: Array | None, num_unknown: int, num_indices: int
) -> tuple[FloatArray, FloatArray]:
    """Computes each item's share of the rows, and of the rows' weights.

    Args:
        counts: `[N + 2]`, rows by item index.
        weights: float `[N + 2]`, the sum of the rows' weights, in any unit; None takes the counts.
        num_unknown: Different items that the rows of the unknown item are of, 1 or more; each of
            them has their mean share.
        num_indices: `N + 2`.

    Returns:
        float64 `[N + 2]` twice, above 0: half a row is counted for an item without any, which the
        logarithm would send to minus infinity.

    Raises:
        ValueError: If a length is another, a count or weight is below 0 or not finite, or
            `num_unknown` is below 1.

    Example:
        >>> shares, _ = item_shares([0, 6, 10, 4], None, 2, 4)
        >>> shares.tolist()
        [0.025, 0.15, 0.5, 0.2]
    """
    check_positive("num_unknown", num_unknown)
    rows = popular = _checked("counts", counts, num_indices)
    if weights is not None:
        popular = _checked("weights", weights, num_indices)
        # To the unit of the counts, in which half a row is little.
        popular *= rows.sum() / (popular.sum() or 1.0)
    total = max(rows.sum(), 1.0)
    return _shares(rows, total, num_unknown), _shares(popular, total, num_unknown)


def _checked(argument: str, numbers: Array, num_indices: int) -> FloatArray:
    numbers = np.array(numbers, "float64")
    is_number = np.isfinite(numbers) & (numbers >= 0)
    if numbers.shape != (num_indices,) or not is_number.all():
        raise ValueError(
            f"`{argument}` must hold {num_indices} numbers of 0 or more, one for each item index, "
            f"received shape {numbers.shape}, {np.sum(~is_number)} of them below 0 or not finite."
        )
    return numbers


def _shares(rows: FloatArray, total: float, num_unknown: int) -> FloatArray:
    rows = rows.copy()
    rows[UNKNOWN_INDEX] /= num_unknown
    return np.maximum(rows, 0.5) / total
