"""Equal scores have the mean of all their orders, whatever columns they stand in."""

import itertools
import math

import numpy as np
import pytest

from recsys_tf.metrics import expected_ndcg, ndcg, top_k


def mean_over_orders(scores, is_relevant, k):
    """The definition: every order of the candidates, sorted stably."""
    listed = [column for column, score in enumerate(scores) if score > -math.inf]
    best = sum(1 / math.log2(place + 2) for place in range(min(k, sum(is_relevant))))
    gains = []
    for order in itertools.permutations(listed):
        ranked = sorted(order, key=lambda column: -scores[column])[:k]
        gains.append(sum(is_relevant[c] / math.log2(p + 2) for p, c in enumerate(ranked)))
    return sum(gains) / len(gains) / best


@pytest.mark.parametrize("k", [1, 2, 4, 6, 9])
def test_is_the_mean_over_all_orders(rng, k):
    scores = rng.integers(0, 3, (12, 6)).astype("float32")
    scores[rng.random((12, 6)) < 0.2] = -np.inf
    is_relevant = rng.random((12, 6)) < 0.4
    is_relevant[:, 0] = True
    found = expected_ndcg(scores, is_relevant, k)
    wanted = [mean_over_orders(*row, k) for row in zip(scores, is_relevant, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_without_ties_it_is_ndcg(rng):
    scores, is_relevant = rng.random((20, 30)), rng.random((20, 30)) < 0.2
    is_relevant[3] = False
    hits = np.take_along_axis(is_relevant, top_k(scores, 10), axis=1)
    wanted = ndcg(hits, is_relevant.sum(axis=1), 10)
    np.testing.assert_allclose(expected_ndcg(scores, is_relevant, 10), wanted, rtol=1e-12)
    assert np.isnan(wanted[3])


def test_columns_in_another_order_change_nothing(rng):
    scores, is_relevant = rng.integers(0, 4, (9, 15)).astype(float), rng.random((9, 15)) < 0.3
    order = rng.permutation(15)
    np.testing.assert_allclose(
        expected_ndcg(scores[:, order], is_relevant[:, order], 5),
        expected_ndcg(scores, is_relevant, 5),
        rtol=1e-12,
    )


def test_relevant_one_that_is_no_candidate_is_missed():
    scores = np.array([[1.0, -np.inf], [-np.inf, 1.0]])
    found = expected_ndcg(scores, np.array([[True, True], [True, False]]), k=2)
    np.testing.assert_allclose(found, [1 / (1 + 1 / math.log2(3)), 0.0])


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_lists_without_rows_or_candidates_have_no_value(shape):
    found = expected_ndcg(np.zeros(shape), np.zeros(shape, bool), 2)
    assert found.shape == shape[:1]
    assert np.isnan(found).all()


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"`is_relevant` must have the shape.*\(1, 3\), received"):
        expected_ndcg(np.zeros((1, 3)), np.zeros((1, 2), bool), 1)
