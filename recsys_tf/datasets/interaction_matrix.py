"""Events as a sparse matrix of users by items."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.types import Array, IntArray


def interaction_matrix(
    user_indexes: IntArray,
    item_indexes: IntArray,
    num_users: int,
    num_items: int,
    values: Array | None = None,
) -> sparse.csr_matrix:
    """Makes the matrix `[U, N]` of events.

    Args:
        user_indexes: int `[B]`, from 0 on.
        item_indexes: int `[B]`, from 0 on.
        num_users: Rows `U`; users without events have an empty row.
        num_items: Columns `N`.
        values: float `[B]`, for instance ratings; NaN = no value, the row is left out. None counts
            the events of each pair.

    Returns:
        CSR `[U, N]` float64, sorted by item, one entry a pair. Without `values` the number of the
        pair's events; with `values` its last one, so give the rows in the order of time. A value
        of 0 stays an entry.

    Raises:
        ValueError: If the lengths differ.
        IndexError: If an index is negative or not below its bound.

    Example:
        >>> interaction_matrix([0, 0, 1], [2, 2, 0], num_users=2, num_items=3).toarray().tolist()
        [[0.0, 0.0, 2.0], [1.0, 0.0, 0.0]]
        >>> interaction_matrix([0, 0], [2, 2], 1, 3, values=[4.0, 5.0]).toarray().tolist()
        [[0.0, 0.0, 5.0]]
    """
    users = _indexes("user_indexes", user_indexes, num_users)
    items = _indexes("item_indexes", item_indexes, num_items)
    numbers = np.ones(len(users)) if values is None else np.asarray(values, dtype=np.float64)
    if not users.shape == items.shape == numbers.shape:
        raise ValueError(
            "`user_indexes`, `item_indexes` and `values` must have one length, received shapes "
            f"{users.shape}, {items.shape} and {numbers.shape}."
        )
    if values is not None:
        is_present = ~np.isnan(numbers)
        users, items, numbers = users[is_present], items[is_present], numbers[is_present]
        # SciPy adds up duplicates: of each pair the last row is kept before.
        _, last = np.unique((users * num_items + items)[::-1], return_index=True)
        last = len(users) - 1 - last
        users, items, numbers = users[last], items[last], numbers[last]
    matrix = sparse.csr_matrix((numbers, (users, items)), shape=(num_users, num_items))
    matrix.sum_duplicates()
    return matrix


def _indexes(argument: str, values: IntArray, bound: int) -> IntArray:
    indexes = np.asarray(values)
    if indexes.size and not np.issubdtype(indexes.dtype, np.integer):
        raise ValueError(f"`{argument}` must be integers, received {indexes.dtype}.")
    indexes = indexes.astype(np.int64)
    if indexes.size and not (indexes.min() >= 0 and indexes.max() < bound):
        wrong = indexes[(indexes < 0) | (indexes >= bound)][0]
        raise IndexError(
            f"`{argument}` must lie between 0 and {bound - 1}, received {wrong}; leave out rows "
            "of unknown users and items first."
        )
    return indexes
