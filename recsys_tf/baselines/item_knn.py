"""Items that the same users had as the items of the user's own list."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.baselines.baseline import Baseline
from recsys_tf.metrics import top_k
from recsys_tf.types import Array, FloatArray, IntArray

ITEM_BLOCK = 1024
"""Items whose similarities are dense at once: bounds the memory to `ITEM_BLOCK x N` floats."""


class ItemKNN(Baseline):
    """Scores an item by its similarity to the user's items, `s_ui = sum_{j in I_u} c_ij`.

    `c_ij = n_ij / (n_i^a n_j^(1 - a) + shrinkage)` is the shrunk asymmetric cosine of two items
    with `n_i` and `n_j` users, `n_ij` of them common; only the `num_neighbors` largest of each item
    `i` count. With `is_idf_weighted` each user counts as `ln(N / |I_u|)^2` instead of 1 in all
    three: that two items are common to somebody who has had everything says little. Choose it where
    the catalogue is too large for EASE. Only the presence of an entry counts.

    Args:
        num_neighbors: Neighbours of each item.
        shrinkage: Draws the similarity of rare items to 0: two films that one user had are not
            alike for it.
        alpha: The `a` of the formula, 0 to 1; .5 is the cosine, less puts popular items higher.
        is_idf_weighted: Whether users of short lists count for more.
        popularity_half_life_days: See `Baseline`.

    Raises:
        ValueError: If `num_neighbors` is below 1, `shrinkage` negative or `alpha` not in [0, 1].

    Example:
        >>> events = sparse.csr_matrix([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]])
        >>> ItemKNN(shrinkage=0.0, alpha=0.5).fit(events).scores([3]).round(6).tolist()
        [[0.0, 0.666667, 0.0]]
        >>> ItemKNN(shrinkage=0.0, alpha=0.0).fit(events).scores([3]).tolist()  # 2 / 3^0 3^1
        [[0.0, 0.6666666666666666, 0.0]]

    Source:
        Sarwar, Karypis, Konstan and Riedl (2001), Item-based collaborative filtering
        recommendation algorithms, https://doi.org/10.1145/371920.372071; the asymmetric cosine:
        Aiolli (2013), Efficient top-N recommendation for very large scale binary rated datasets,
        https://doi.org/10.1145/2507157.2507189, section 3; shrinkage and idf weights of users as in
        Ferrari Dacrema, Cremonesi and Jannach (2019), https://arxiv.org/abs/1907.06902, where the
        weights are one of the settings.
    """

    def __init__(
        self,
        num_neighbors: int = 200,
        shrinkage: float = 10.0,
        alpha: float = 0.5,
        is_idf_weighted: bool = False,
        popularity_half_life_days: float | None = None,
    ) -> None:
        super().__init__(popularity_half_life_days)
        if num_neighbors < 1:
            raise ValueError(f"`num_neighbors` must be at least 1, received {num_neighbors}.")
        if not shrinkage >= 0:
            raise ValueError(f"`shrinkage` must be at least 0, received {shrinkage}.")
        if not 0 <= alpha <= 1:
            raise ValueError(f"`alpha` must lie between 0 and 1, received {alpha}.")
        self.num_neighbors = num_neighbors
        self.shrinkage = shrinkage
        self.alpha = alpha
        self.is_idf_weighted = is_idf_weighted

    def _fit(self, interactions: sparse.csr_matrix) -> None:
        interactions.data[:] = 1.0
        self._interactions = interactions
        weighted = sparse.diags(self._user_weights(interactions)) @ interactions
        by_item = weighted.T.tocsr()
        squares = np.asarray(weighted.power(2).sum(axis=0)).reshape(-1)
        own, others = squares**self.alpha, squares ** (1.0 - self.alpha)
        rows, columns, values = [], [], []
        for start in range(0, self._num_items, ITEM_BLOCK):
            items = np.arange(start, min(start + ITEM_BLOCK, self._num_items))
            common = np.asarray((by_item[items] @ weighted).todense())
            common[np.arange(len(items)), items] = 0.0
            similarities = np.divide(
                common,
                own[items, None] * others[None, :] + self.shrinkage,
                out=np.zeros_like(common),
                # Items without a user, or with users that weigh 0 only, have no length.
                where=common > 0,
            )
            neighbors = top_k(similarities, min(self.num_neighbors, self._num_items))
            rows.append(np.repeat(items, neighbors.shape[1]))
            columns.append(neighbors.reshape(-1))
            values.append(np.take_along_axis(similarities, neighbors, axis=1).reshape(-1))
        shape = (self._num_items, self._num_items)
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        by_target = sparse.csr_matrix(entries, shape=shape)
        by_target.eliminate_zeros()
        self._similarities = by_target.T.tocsr()

    def _user_weights(self, interactions: sparse.csr_matrix) -> FloatArray:
        """What stands in the place of a user's 1, `[U]`: of its square the lengths are sums."""
        if not self.is_idf_weighted:
            return np.ones(self._num_users)
        lengths = np.maximum(np.diff(interactions.indptr), 1)
        return np.log(self._num_items / lengths)

    def _scores(self, users: IntArray) -> Array:
        return np.asarray((self._interactions[users] @ self._similarities).todense())
