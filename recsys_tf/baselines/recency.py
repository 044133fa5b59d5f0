"""How much an event counts by its age."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.types import FloatArray

SECONDS_OF_DAY = 86_400


def event_weights(
    interactions: sparse.csr_matrix,
    times: sparse.csr_matrix | None,
    half_life_days: float | None,
) -> FloatArray:
    """Computes the weight of each entry, `0.5^(age / half_life)`; the newest weighs 1.

    Args:
        interactions: Sparse `[U, N]`, without duplicates and sorted by item.
        times: Sparse `[U, N]` with the same entries: seconds of the pair's last event, from
            whichever beginning.
        half_life_days: Age at which an event weighs half, in days; None weighs all alike, and
            reads no times.

    Returns:
        float64, one weight an entry in the order of `interactions.data`.

    Raises:
        ValueError: If times are needed and missing, not finite, or of other entries.

    Example:
        >>> events = sparse.csr_matrix([[1.0, 1.0]])
        >>> event_weights(events, sparse.csr_matrix([[1, 86_401]]), half_life_days=1.0).tolist()
        [0.5, 1.0]
    """
    if half_life_days is None:
        return np.ones(interactions.nnz)
    if times is None:
        raise ValueError(
            f"`times` must be given for a half-life of {half_life_days:g} days, received None; "
            "make them by `interaction_matrix(..., values=timestamps)`."
        )
    times = sparse.csr_matrix(times, dtype=np.float64, copy=True)
    times.sort_indices()
    if times.shape != interactions.shape or not (
        np.array_equal(times.indptr, interactions.indptr)
        and np.array_equal(times.indices, interactions.indices)
    ):
        raise ValueError(
            "`times` must have the entries of `interactions`, received shapes "
            f"{times.shape} and {interactions.shape} with {times.nnz} and {interactions.nnz} "
            "entries; make both from the same rows."
        )
    if not np.isfinite(times.data).all():
        raise ValueError(
            f"`times` must be finite, received {times.data[~np.isfinite(times.data)][0]}."
        )
    age_days = (times.data.max() - times.data) / SECONDS_OF_DAY
    return 0.5 ** (age_days / half_life_days)
