"""Everybody gets the items that most users had."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.baselines.baseline import Baseline
from recsys_tf.types import Array, IntArray


class Popularity(Baseline):
    """Scores an item by its users, the recent ones first: `s_i = sum_{u in U_i} 0.5^(a_ui / h)`.

    `a_ui` is the age of the event, counted from the newest one, and `h` the half-life; without one
    `s_i = |U_i|`. What a model must beat before it is worth its cost; on a split by time, where
    most users are new, that is not easy, and least of all with a half-life of a week or two. Only
    the presence of an entry counts, not its value.

    Args:
        popularity_half_life_days: The `h`, in days; None counts all events alike.

    Example:
        >>> events = sparse.csr_matrix([[1, 1, 0], [1, 0, 0]])
        >>> Popularity().fit(events).scores([0, -1]).tolist()
        [[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]]
        >>> times = sparse.csr_matrix([[86_400, 172_800, 0], [86_400, 0, 0]])  # One day, two days.
        >>> Popularity(popularity_half_life_days=0.5).fit(events, times).scores([0]).tolist()
        [[0.5, 1.0, 0.0]]
    """

    def _fit(self, interactions: sparse.csr_matrix) -> None:
        """Nothing to learn beyond the counts that every baseline keeps for new users."""

    def _scores(self, users: IntArray) -> Array:
        return np.broadcast_to(self._popularity, (len(users), self._num_items))
