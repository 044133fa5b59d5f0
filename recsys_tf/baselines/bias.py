"""The mean rating, corrected for the user and for the item."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.baselines.baseline import RatingBaseline, checked_indexes
from recsys_tf.types import Array, FloatArray, IntArray


class Bias(RatingBaseline):
    """Predicts `m + b_u + b_i`: the mean, the user's generosity and the item's quality.

    Fitted by alternation: `b_i = sum_u (r_ui - m - b_u) / (|U_i| + shrinkage)`, then `b_u` in the
    same way. The shrinkage draws the biases of users and items with few ratings to 0, so that a
    film with one rating of 5 is not the best film. A rating model that is no better than this
    knows nothing of taste. Values of the matrix are ratings. New users and items have bias 0; the
    ranking of a new user is popularity, as for all baselines.

    Args:
        shrinkage: Number of imagined ratings at the mean; 5 serves MovieLens.
        num_iterations: Alternations; the values settle in about ten.
        popularity_half_life_days: See `Baseline`. The ratings weigh alike: a half-life of theirs
            made the error on validation rows of MovieLens greater.

    Raises:
        ValueError: If `shrinkage` is negative or `num_iterations` below 1.

    Example:
        >>> ratings = sparse.csr_matrix([[5.0, 3.0], [4.0, 2.0]])
        >>> model = Bias(shrinkage=0.0).fit(ratings)
        >>> model.predict([0, -1], [1, 0]).round(6).tolist()  # 3.5 + 0.5 - 1, 3.5 + 1
        [3.0, 4.5]

    Source:
        Koren (2010), Factor in the neighbors, https://doi.org/10.1145/1644873.1644874, section
        2.1; there fitted by least squares.
    """

    def __init__(
        self,
        shrinkage: float = 5.0,
        num_iterations: int = 10,
        popularity_half_life_days: float | None = None,
    ) -> None:
        super().__init__(popularity_half_life_days)
        if not shrinkage >= 0:
            raise ValueError(f"`shrinkage` must be at least 0, received {shrinkage}.")
        if num_iterations < 1:
            raise ValueError(f"`num_iterations` must be at least 1, received {num_iterations}.")
        self.shrinkage = shrinkage
        self.num_iterations = num_iterations

    def predict(self, user_indexes: IntArray, item_indexes: IntArray) -> FloatArray:
        """Predicts the rating of each pair; see `RatingBaseline.predict`."""
        users = self._checked_users(user_indexes)
        items = checked_indexes("item_indexes", item_indexes, self._num_items)
        if users.shape != items.shape:
            raise ValueError(
                "`item_indexes` must have the length of `user_indexes`, received "
                f"{len(items)} and {len(users)}."
            )
        user_bias = np.where(users >= 0, self._user_bias[users], 0.0)
        item_bias = np.where(items >= 0, self._item_bias[items], 0.0)
        return self._mean + user_bias + item_bias

    def _fit(self, interactions: sparse.csr_matrix) -> None:
        entries = interactions.tocoo()
        users, items = entries.row, entries.col
        self._mean = float(entries.data.mean())
        residuals = entries.data - self._mean
        self._user_bias = np.zeros(self._num_users)
        for _ in range(self.num_iterations):
            self._item_bias = self._shrunk_mean(
                items, residuals - self._user_bias[users], self._num_items
            )
            self._user_bias = self._shrunk_mean(
                users, residuals - self._item_bias[items], self._num_users
            )

    def _shrunk_mean(self, indexes: IntArray, values: FloatArray, length: int) -> FloatArray:
        counts = np.bincount(indexes, minlength=length) + self.shrinkage
        sums = np.bincount(indexes, weights=values, minlength=length)
        return np.divide(sums, counts, out=np.zeros(length), where=counts > 0)

    def _scores(self, users: IntArray) -> Array:
        return self._mean + self._user_bias[users, None] + self._item_bias[None, :]
