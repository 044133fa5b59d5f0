import math

import numpy as np
import pytest
from scipy import sparse

from recsys_tf.metrics import RANKING_METRICS, relevance_at_places

# Ranks 2 and 3 of a list of 4 are relevant, of three relevant items in all.
HITS, NUM_RELEVANT = [[0, 1, 1, 0]], [3]
BY_HAND = {
    ("hit_rate", 1): 0.0,
    ("hit_rate", 2): 1.0,
    ("recall", 2): 1 / 3,
    ("recall", 4): 2 / 3,
    ("precision", 2): 1 / 2,
    ("precision", 4): 2 / 4,
    ("precision", 10): 2 / 10,
    ("ndcg", 1): 0.0,
    ("ndcg", 2): (1 / math.log2(3)) / (1 + 1 / math.log2(3)),
    ("ndcg", 10): (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2),
    ("mrr", 1): 0.0,
    ("mrr", 4): 1 / 2,
    ("map", 2): (1 / 2) / 2,
    ("map", 4): (1 / 2 + 2 / 3) / 3,
}


@pytest.mark.parametrize(("name", "k"), BY_HAND)
def test_metric_equals_the_hand_computed_value(name, k):
    value = RANKING_METRICS[name](HITS, NUM_RELEVANT, k)
    assert value.tolist() == pytest.approx([BY_HAND[name, k]], abs=1e-15)


@pytest.mark.parametrize("name", RANKING_METRICS)
def test_random_lists_equal_the_plain_python_twin(name, ranking_twin):
    rng = np.random.default_rng(3)
    items = np.argsort(rng.random((60, 25)), axis=1)
    relevant = [rng.choice(25, size=rng.integers(1, 20), replace=False).tolist() for _ in range(60)]
    hits = [[item in r for item in row] for row, r in zip(items.tolist(), relevant, strict=True)]
    for k in (1, 5, 10, 25):
        expected = [
            ranking_twin.METRICS[name](row, r, k)
            for row, r in zip(items.tolist(), relevant, strict=True)
        ]
        found = RANKING_METRICS[name](hits, [len(r) for r in relevant], k)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", RANKING_METRICS)
def test_perfect_list_has_one(name):
    assert RANKING_METRICS[name]([[1, 1, 0]], [2], 2).tolist() == [1.0]


@pytest.mark.parametrize("name", RANKING_METRICS)
def test_list_without_a_hit_has_zero(name):
    assert RANKING_METRICS[name]([[0, 0, 0]], [2], 2).tolist() == [0.0]


@pytest.mark.parametrize("name", RANKING_METRICS)
def test_user_without_relevant_items_has_nan(name):
    values = RANKING_METRICS[name]([[0, 0], [1, 0]], [0, 1], 2)
    assert math.isnan(values[0])
    assert values[1] > 0


@pytest.mark.parametrize("name", RANKING_METRICS)
def test_order_of_users_does_not_matter(name):
    rng = np.random.default_rng(4)
    hits, order = rng.random((8, 5)) < 0.4, rng.permutation(8)
    num_relevant = hits.sum(axis=1) + 1
    values = RANKING_METRICS[name](hits, num_relevant, 3)
    permuted = RANKING_METRICS[name](hits[order], num_relevant[order], 3)
    np.testing.assert_array_equal(permuted, values[order])


def test_relevance_is_looked_up_by_user_and_item():
    relevant = sparse.csr_matrix([[0, 2, 0, 1], [5, 0, 0, 0]])
    places = relevance_at_places(np.array([[3, 1, 0], [3, 0, -1]]), relevant)
    assert places.tolist() == [[1.0, 2.0, 0.0], [0.0, 5.0, 0.0]]


def test_empty_place_of_the_second_user_is_not_the_last_item_of_the_first():
    # -1 + 1 x N is the key of user 0's last item.
    relevant = sparse.csr_matrix([[0, 1], [1, 0]])
    assert relevance_at_places(np.array([[0], [-1]]), relevant).tolist() == [[0.0], [0.0]]


def test_item_behind_the_catalogue_is_not_the_first_one_of_the_next_user():
    relevant = sparse.csr_matrix([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match=r"below `relevant.shape\[1\]` \(2\), received 2"):
        relevance_at_places(np.array([[2], [1]]), relevant)


def test_relevance_without_entries_is_zero():
    assert relevance_at_places(np.array([[1]]), sparse.csr_matrix((1, 2))).tolist() == [[0.0]]


def test_unsorted_and_duplicated_entries_are_looked_up_too():
    relevant = sparse.csr_matrix(
        (np.array([1.0, 2.0, 4.0]), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 3)
    )
    assert relevance_at_places(np.array([[0, 1, 2]]), relevant).tolist() == [[2.0, 0.0, 5.0]]


def test_relevance_of_another_number_of_users_is_an_error():
    with pytest.raises(ValueError, match=r"`top_items` must be \[U, K\] with a row for each of"):
        relevance_at_places(np.array([[1], [1]]), sparse.csr_matrix((1, 2)))


def test_cut_off_below_one_is_an_error():
    with pytest.raises(ValueError, match=r"`k` must be at least 1, received 0"):
        RANKING_METRICS["ndcg"]([[1]], [1], 0)


def test_one_number_of_relevant_items_for_two_users_is_an_error():
    with pytest.raises(ValueError, match=r"`hits` must be \[U, K\] and `num_relevant` \[U\]"):
        RANKING_METRICS["recall"]([[1], [0]], [1], 1)
