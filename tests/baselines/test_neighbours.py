"""EASE and item kNN against plain loops."""

import numpy as np
import pytest

from recsys_tf.baselines import EASE, ItemKNN


def test_ease_equals_the_column_by_column_ridge_regression(events):
    # Each column of W is the ridge regression of an item on all others: no shared algebra.
    num_items = events.shape[1]
    x, l2 = (events.toarray() != 0).astype(float), 3.0
    weights = np.zeros((num_items, num_items))
    for item in range(num_items):
        others = np.delete(np.arange(num_items), item)
        gram = x[:, others].T @ x[:, others] + l2 * np.eye(len(others))
        weights[others, item] = np.linalg.solve(gram, x[:, others].T @ x[:, item])
    users = np.flatnonzero(x.any(axis=1))
    found = EASE(l2_regularization=l2).fit(events).scores(users)
    np.testing.assert_allclose(found, x[users] @ weights, atol=1e-10)


@pytest.mark.parametrize("num_neighbors", [1, 4, 100])
@pytest.mark.parametrize(("alpha", "is_idf_weighted"), [(0.5, False), (0.4, False), (0.2, True)])
def test_item_knn_equals_the_plain_loop(events, num_neighbors, alpha, is_idf_weighted):
    num_items = events.shape[1]
    x, shrinkage = (events.toarray() != 0).astype(float), 2.0
    weighted = x.copy()
    if is_idf_weighted:
        for user in np.flatnonzero(x.any(axis=1)):
            weighted[user] *= np.log(num_items / x[user].sum())
    squares = (weighted**2).sum(axis=0)
    expected = np.zeros_like(x)
    for item in range(num_items):
        similar = [
            0.0
            if other == item
            else (weighted[:, item] * weighted[:, other]).sum()
            / (squares[item] ** alpha * squares[other] ** (1 - alpha) + shrinkage)
            for other in range(num_items)
        ]
        nearest = sorted(range(num_items), key=lambda o: (-similar[o], o))[:num_neighbors]
        expected[:, item] = sum(similar[other] * x[:, other] for other in nearest)
    users = np.flatnonzero(x.any(axis=1))
    model = ItemKNN(num_neighbors, shrinkage, alpha, is_idf_weighted)
    np.testing.assert_allclose(model.fit(events).scores(users), expected[users], atol=1e-12)


def test_item_knn_in_small_blocks_is_the_same(events, monkeypatch):
    whole = ItemKNN().fit(events).scores([0, 1])
    monkeypatch.setattr("recsys_tf.baselines.item_knn.ITEM_BLOCK", 4)
    np.testing.assert_array_equal(ItemKNN().fit(events).scores([0, 1]), whole)
