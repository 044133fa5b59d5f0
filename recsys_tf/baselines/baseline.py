"""What every baseline does: fit on the matrix of events, score the catalogue for users."""

from __future__ import annotations

import abc
from typing import TypeVar

import numpy as np
from scipy import sparse

from recsys_tf.baselines.recency import event_weights
from recsys_tf.types import Array, FloatArray, IntArray

NEW_USER = -1
"""Index of a user that the training matrix has no row for."""

Self = TypeVar("Self", bound="Baseline")


class Baseline(abc.ABC):
    """Scores items for users from the matrix of events `[U, N]` alone.

    A new user (index `NEW_USER`, or an empty row in training) gets the items' popularity, so that
    every baseline answers for everybody. Scores are comparable within one user's row only.

    Args:
        popularity_half_life_days: Age at which an event counts half in that popularity, in days;
            None counts all alike. Where most users are new it decides more than the rest.

    Raises:
        ValueError: If `popularity_half_life_days` is not above 0.
    """

    def __init__(self, popularity_half_life_days: float | None = None) -> None:
        if popularity_half_life_days is not None and not popularity_half_life_days > 0:
            raise ValueError(
                "`popularity_half_life_days` must be above 0 or None, received "
                f"{popularity_half_life_days}."
            )
        self.popularity_half_life_days = popularity_half_life_days

    def fit(
        self: Self, interactions: sparse.csr_matrix, times: sparse.csr_matrix | None = None
    ) -> Self:
        """Learns from the events.

        Args:
            interactions: Sparse `[U, N]`, as `interaction_matrix` makes it. Whether the entries'
                values or only their presence counts, each baseline says.
            times: Sparse `[U, N]` with the same entries, `interaction_matrix(..., values=seconds)`:
                when each pair was last seen. Read where a half-life is set, and needed there.

        Returns:
            Itself.

        Raises:
            ValueError: If there is no event, an entry is not finite, or times are needed and
                missing or of other entries.
        """
        interactions = sparse.csr_matrix(interactions, dtype=np.float64, copy=True)
        interactions.sum_duplicates()
        if not interactions.nnz:
            raise ValueError(
                "`interactions` must hold at least one event, received an empty matrix of shape "
                f"{interactions.shape}."
            )
        if not np.isfinite(interactions.data).all():
            raise ValueError(
                "`interactions` must be finite, received "
                f"{interactions.data[~np.isfinite(interactions.data)][0]}; leave out rows "
                "without a value first."
            )
        self._num_users, self._num_items = interactions.shape
        self._is_known = np.diff(interactions.indptr) > 0
        weights = event_weights(interactions, times, self.popularity_half_life_days)
        self._popularity = np.bincount(interactions.indices, weights, self._num_items)
        self._fit(interactions)
        return self

    def scores(self, user_indexes: IntArray) -> FloatArray:
        """Scores every item of the catalogue for each user.

        Args:
            user_indexes: int `[B]`, rows of the training matrix or `NEW_USER`.

        Returns:
            float `[B, N]`, higher is better; the popularity for new users.

        Raises:
            RuntimeError: If `fit` was not called.
            IndexError: If an index is no row of the training matrix.
        """
        users = self._checked_users(user_indexes)
        is_known = (users >= 0) & self._is_known[users]
        scores = np.empty((len(users), self._num_items), dtype=np.float64)
        scores[~is_known] = self._popularity
        if is_known.any():
            scores[is_known] = self._scores(users[is_known])
        return scores

    @abc.abstractmethod
    def _fit(self, interactions: sparse.csr_matrix) -> None:
        """Learns from a checked matrix that it may keep."""

    @abc.abstractmethod
    def _scores(self, users: IntArray) -> Array:
        """Scores `[B, N]` of users with at least one training event."""

    def _checked_users(self, user_indexes: IntArray) -> IntArray:
        if not hasattr(self, "_popularity"):
            raise RuntimeError(
                f"`{type(self).__name__}` has learned nothing yet; call `fit(interactions)` first."
            )
        return checked_indexes("user_indexes", user_indexes, self._num_users)


class RatingBaseline(Baseline):
    """A baseline that also predicts the rating of a pair."""

    @abc.abstractmethod
    def predict(self, user_indexes: IntArray, item_indexes: IntArray) -> FloatArray:
        """Predicts the rating of each pair.

        Args:
            user_indexes: int `[B]`, rows of the training matrix or `NEW_USER`.
            item_indexes: int `[B]`, columns of the training matrix, or -1 for a new item.

        Returns:
            float64 `[B]`, in the unit of the training values.

        Raises:
            RuntimeError: If `fit` was not called.
            ValueError: If the lengths differ.
            IndexError: If an index is outside of the training matrix.
        """


def checked_indexes(argument: str, indexes: IntArray, bound: int) -> IntArray:
    """Checks indexes that may be -1 for "not in training".

    Args:
        argument: Name of the argument, for the error.
        indexes: int `[B]`.
        bound: Indexes must be below it.

    Returns:
        int64 `[B]`.

    Raises:
        ValueError: If they are not integers `[B]`.
        IndexError: If one is below -1 or not below `bound`.

    Example:
        >>> checked_indexes("user_indexes", [0, -1], bound=1).tolist()
        [0, -1]
    """
    array = np.asarray(indexes)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise ValueError(
            f"`{argument}` must be integers [B], received {array.dtype} of shape {array.shape}."
        )
    if array.size and not (array.min() >= -1 and array.max() < bound):
        wrong = array[(array < -1) | (array >= bound)][0]
        raise IndexError(
            f"`{argument}` must lie between 0 and {bound - 1}, or be -1 where training had no "
            f"such row, received {wrong}."
        )
    return array.astype(np.int64)
