"""Lists where there is little to choose: candidates excluded, equal, huge or too few."""

import numpy as np
import pytest
import tensorflow as tf

N, D = 30, 16
DIVERSITIES = (0.0, 0.2, 0.5, 0.9, 1.0)


def lists(positions):
    return positions.numpy().tolist()


def test_excluded_candidates_are_never_answered(rerank, requests, rng):
    excluded = rng.random((5, N)) < 0.5
    found = rerank(*requests, N, 0.5, is_excluded=excluded).numpy()
    for row in range(5):
        listed = found[row][found[row] >= 0]
        np.testing.assert_array_equal(np.sort(listed), np.flatnonzero(~excluded[row]))
        np.testing.assert_array_equal(found[row][len(listed) :], -1)


def test_excluded_candidates_do_not_stretch_the_scale_of_relevance(rerank, requests):
    relevance, vectors = requests
    far, excluded = relevance.copy(), np.zeros((5, N), bool)
    far[:, 3], excluded[:, 3] = -1e9, True
    wanted = lists(rerank(relevance, vectors, 10, 0.5, is_excluded=excluded))
    assert lists(rerank(far, vectors, 10, 0.5, is_excluded=excluded)) == wanted


def test_rows_without_a_candidate_are_empty(rerank, requests):
    excluded = np.zeros((5, N), bool)
    excluded[2] = True
    found = rerank(*requests, 7, tf.constant(DIVERSITIES), is_excluded=excluded).numpy()
    np.testing.assert_array_equal(found[2], [-1] * 7)
    assert (found[[0, 1, 3, 4]] >= 0).all()


@pytest.mark.parametrize("value", [float("nan"), -float("inf")])
def test_relevance_that_is_no_number_is_no_candidate(rerank, value):
    vectors = np.eye(3)[None]
    assert lists(rerank([[0.2, value, 0.9]], vectors, 3, 0.5)) == [[2, 0, -1]]


@pytest.mark.parametrize("highest", [float("inf"), 3e38])
def test_huge_relevance_comes_first_and_does_no_harm(rerank, highest):
    vectors = np.eye(4)[None]
    assert lists(rerank([[0.2, highest, -3e38, 0.9]], vectors, 4, 0.0)) == [[1, 3, 0, 2]]
    assert lists(rerank([[0.2, highest, -3e38, 0.9]], vectors, 4, 0.5)) == [[1, 3, 0, 2]]


@pytest.mark.parametrize("diversity", DIVERSITIES)
def test_places_beyond_the_candidates_are_empty(rerank, diversity):
    found = rerank([[0.2, 0.9]], np.eye(2)[None], 6, diversity)
    assert lists(found) == [[1, 0, -1, -1, -1, -1]]


@pytest.mark.parametrize("diversity", DIVERSITIES)
@pytest.mark.parametrize("vector", [np.zeros(D), np.ones(D)])
def test_equal_items_come_in_the_order_of_relevance_then_of_index(rerank, vector, diversity):
    relevance = np.array([[0.5, 0.7, 0.5, 0.9, 0.7, 0.5, 0.1]], "float32")
    vectors = np.broadcast_to(vector, (1, 7, D))
    assert lists(rerank(relevance, vectors, 7, diversity)) == [[3, 1, 4, 0, 2, 5, 6]]


@pytest.mark.parametrize("diversity", DIVERSITIES)
def test_equal_relevance_and_equal_items_come_in_the_order_of_index(rerank, diversity):
    assert lists(rerank(np.full((1, 9), 0.3), np.ones((1, 9, D)), 9, diversity)) == [list(range(9))]


def test_copies_come_after_what_is_new(rerank, rng):
    vectors = rng.normal(size=(1, 4, D))[:, [0, 0, 1, 1, 2, 2, 3, 3]]
    relevance = np.array([[8.0, 7, 6, 5, 4, 3, 2, 1]])
    found = lists(rerank(relevance, vectors, 8, 0.9))[0]
    assert {each // 2 for each in found[:4]} == {0, 1, 2, 3}
    assert sorted(found) == list(range(8))


def test_list_longer_than_the_vectors_are_wide_is_whole(rerank, rng):
    found = lists(rerank(rng.normal(size=(2, 50)), rng.normal(size=(2, 50, 3)), 50, 0.7))
    assert [sorted(row) for row in found] == [list(range(50))] * 2


def test_no_requests_give_no_lists(rerank):
    assert rerank(np.zeros((0, 4)), np.zeros((0, 4, 2)), 3, 0.5).shape == (0, 3)
