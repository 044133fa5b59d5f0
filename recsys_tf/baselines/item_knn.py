"""Items that the same users had as the items of the user's own list."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.baselines.baseline import Baseline
from recsys_tf.metrics import top_k
from recsys_tf.types import Array, IntArray

ITEM_BLOCK = 1024
"""Items whose similarities are dense at once: bounds the memory to `ITEM_BLOCK x N` floats."""


class ItemKNN(Baseline):
    """Scores an item by its similarity to the user's items, `s_ui = sum_{j in I_u} c_ij`.

    `c_ij = n_ij / (sqrt(n_i n_j) + shrinkage)` is the shrunk cosine of two items with `n_i` and
    `n_j` users, `n_ij` of them common; only the `num_neighbors` largest of each item `i` count.
    Choose it where the catalogue is too large for EASE. Only the presence of an entry counts.

    Args:
        num_neighbors: Neighbours of each item; 200 did best on a validation part of ML-100K.
        shrinkage: Draws the similarity of rare items to 0: two films that one user had are not
            alike for it.
        popularity_half_life_days: See `Baseline`.

    Raises:
        ValueError: If `num_neighbors` is below 1 or `shrinkage` negative.

    Example:
        >>> events = sparse.csr_matrix([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]])
        >>> ItemKNN(shrinkage=0.0).fit(events).scores([3]).round(6).tolist()  # 2 / sqrt(3 * 3)
        [[0.0, 0.666667, 0.0]]

    Source:
        Sarwar, Karypis, Konstan and Riedl (2001), Item-based collaborative filtering
        recommendation algorithms, https://doi.org/10.1145/371920.372071; the shrinkage as in
        Ferrari Dacrema, Cremonesi and Jannach (2019), https://arxiv.org/abs/1907.06902.
    """

    def __init__(
        self,
        num_neighbors: int = 200,
        shrinkage: float = 10.0,
        popularity_half_life_days: float | None = None,
    ) -> None:
        super().__init__(popularity_half_life_days)
        if num_neighbors < 1:
            raise ValueError(f"`num_neighbors` must be at least 1, received {num_neighbors}.")
        if not shrinkage >= 0:
            raise ValueError(f"`shrinkage` must be at least 0, received {shrinkage}.")
        self.num_neighbors = num_neighbors
        self.shrinkage = shrinkage

    def _fit(self, interactions: sparse.csr_matrix) -> None:
        interactions.data[:] = 1.0
        self._interactions = interactions
        by_item = interactions.T.tocsr()
        lengths = np.sqrt(self._popularity)
        rows, columns, values = [], [], []
        for start in range(0, self._num_items, ITEM_BLOCK):
            items = np.arange(start, min(start + ITEM_BLOCK, self._num_items))
            common = np.asarray((by_item[items] @ interactions).todense())
            lengths_product = lengths[items, None] * lengths[None, :] + self.shrinkage
            similarities = common / np.maximum(lengths_product, 1.0)
            similarities[np.arange(len(items)), items] = 0.0
            neighbors = top_k(similarities, min(self.num_neighbors, self._num_items))
            rows.append(np.repeat(items, neighbors.shape[1]))
            columns.append(neighbors.reshape(-1))
            values.append(np.take_along_axis(similarities, neighbors, axis=1).reshape(-1))
        shape = (self._num_items, self._num_items)
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        by_target = sparse.csr_matrix(entries, shape=shape)
        by_target.eliminate_zeros()
        self._similarities = by_target.T.tocsr()

    def _scores(self, users: IntArray) -> Array:
        return np.asarray((self._interactions[users] @ self._similarities).todense())
