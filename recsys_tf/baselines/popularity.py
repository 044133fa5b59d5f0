"""Everybody gets the items that most users had."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.baselines.baseline import Baseline
from recsys_tf.types import Array, IntArray


class Popularity(Baseline):
    """Scores an item by the number of users that have an event with it, `s_i = |U_i|`.

    What a model must beat before it is worth its cost; on a split by time, where most users are
    new, that is not easy. Only the presence of an entry counts, not its value.

    Example:
        >>> model = Popularity().fit(sparse.csr_matrix([[1, 1, 0], [1, 0, 0]]))
        >>> model.scores([0, -1]).tolist()
        [[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]]
    """

    def _fit(self, interactions: sparse.csr_matrix) -> None:
        """Nothing to learn beyond the counts that every baseline keeps for new users."""

    def _scores(self, users: IntArray) -> Array:
        return np.broadcast_to(self._popularity, (len(users), self._num_items))
