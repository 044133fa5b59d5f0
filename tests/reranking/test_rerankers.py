"""What every reranker keeps, and what each is by its definition."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.reranking import dpp, max_sum, mmr

N, D = 30, 16
DIVERSITIES = (0.0, 0.2, 0.5, 0.9, 1.0)


def lists(positions):
    return positions.numpy().tolist()


def best(relevance, k):
    return [sorted(range(len(row)), key=lambda i: (-row[i], i))[:k] for row in relevance]


# Each by its definition


def test_list_is_that_of_the_definition(name, rerank, requests, twin):
    relevance, vectors = requests
    found = lists(rerank(relevance, vectors, 12, tf.constant(DIVERSITIES)))
    for row, diversity in enumerate(DIVERSITIES):
        similarity = twin.similarities(vectors[row].astype("float64"))
        wanted = getattr(twin, name)(relevance[row], similarity, 12, diversity)
        assert found[row] == wanted, diversity


def test_list_within_caps_is_that_of_the_definition(name, rerank, requests, twin, rng):
    relevance, vectors = requests
    ids = rng.integers(-1, 4, (5, N))
    flags = rng.random((5, N, 6)) < 0.2
    excluded = rng.random((5, N)) < 0.2
    inputs = (relevance, vectors, 12, tf.constant(DIVERSITIES))
    by_id = rerank(*inputs, is_excluded=excluded, categories=ids, max_per_category=2)
    by_flag = rerank(*inputs, is_excluded=excluded, categories=flags, max_per_category=2)
    for row, diversity in enumerate(DIVERSITIES):
        similarity = twin.similarities(vectors[row].astype("float64"))
        for found, categories in (
            (by_id, [{i} - {-1} for i in ids[row].tolist()]),
            (by_flag, [set(np.flatnonzero(f)) for f in flags[row]]),
        ):
            wanted = getattr(twin, name)(
                relevance[row],
                similarity,
                12,
                diversity,
                excluded=set(np.flatnonzero(excluded[row])),
                categories=categories,
                cap=2,
            )
            assert lists(found)[row] == wanted, diversity


def test_mmr_by_hand():
    # Similarities: the first two 1, to the third 1/2. After 0: 0.3*0.75 - 0.7*1 < 0 - 0.7*0.5.
    relevance, vectors = [[4.0, 3.0, 0.0]], [[[1.0, 0], [2, 0], [0, 3]]]
    assert lists(mmr(relevance, vectors, 3, 0.7)) == [[0, 2, 1]]
    # With d = 0.5: 0.5*0.75 - 0.5 = -0.125 is above 0 - 0.5*0.5.
    assert lists(mmr(relevance, vectors, 3, 0.5)) == [[0, 1, 2]]


def test_max_sum_by_hand():
    # Similarities of the third to the two picked 0.6 each, of the fourth 0.9 and 0.2.
    similarity = np.eye(4)
    similarity[2, :2] = similarity[:2, 2] = 0.6
    similarity[3, 0] = similarity[0, 3] = 0.9
    similarity[3, 1] = similarity[1, 3] = 0.2
    relevance = [[1.0, 0.9, 0.5, 0.5]]
    # The sums are 1.2 and 1.1, the nearest ones 0.6 and 0.9.
    assert lists(max_sum(relevance, None, 3, 0.3, similarity=similarity[None])) == [[0, 1, 3]]
    assert lists(mmr(relevance, None, 3, 0.3, similarity=similarity[None])) == [[0, 1, 2]]


def test_dpp_sees_what_lies_between_two_picked_items_and_mmr_does_not():
    # Similarity to each of the picked two (which are unlike): third 0.6 and 0.6, fourth 0.65 and 0.
    similarity = np.eye(4)
    similarity[2, :2] = similarity[:2, 2] = 0.6
    similarity[3, 0] = similarity[0, 3] = 0.65
    similarity[3, 2] = similarity[2, 3] = 0.4
    relevance = [[1.0, 0.9, 0.5, 0.5]]
    # Variance left: 1 - 0.36 - 0.36 = 0.28 for the third, 1 - 0.4225 for the fourth.
    assert lists(dpp(relevance, None, 3, 0.5, similarity=similarity[None])) == [[0, 1, 3]]
    assert lists(mmr(relevance, None, 3, 0.4, similarity=similarity[None])) == [[0, 1, 2]]


# What all keep


@pytest.mark.parametrize("k", [1, 10, N])
def test_no_diversity_is_the_plain_list_of_the_best(rerank, requests, k):
    relevance, vectors = requests
    wanted = best(relevance.tolist(), k)
    assert lists(rerank(relevance, vectors, k, 0.0)) == wanted
    _, top = tf.math.top_k(relevance, k)
    assert lists(top) == wanted


def test_no_diversity_keeps_an_order_that_scaling_would_round_away(rerank, rng):
    close = np.nextafter(np.float32(1), np.float32(2), dtype="float32")
    relevance = np.array([[1.0, close, -1e6, 1e6]], "float32")
    vectors = rng.normal(size=(1, 4, D))
    assert lists(rerank(relevance, vectors, 4, 0.0)) == [[3, 1, 0, 2]]


def test_diversity_only_ignores_all_relevance_but_the_first(rerank, requests):
    relevance, vectors = requests
    first = lists(rerank(relevance, vectors, 10, 1.0))
    changed = relevance.copy()
    others = np.setdiff1d(np.arange(N), [row[0] for row in first])
    changed[:, others] = relevance[:, others][:, ::-1] - 10
    assert lists(rerank(changed, vectors, 10, 1.0)) == first


def test_more_diversity_gives_less_alike_lists(rerank, requests, twin):
    relevance, vectors = requests
    alike = []
    for diversity in (0.0, 0.5, 1.0):
        total = 0.0
        for row, listed in enumerate(lists(rerank(relevance, vectors, 8, diversity))):
            total += twin.similarities(vectors[row])[np.ix_(listed, listed)].sum()
        alike.append(total)
    assert alike[0] > alike[1] > alike[2]


def test_shorter_list_is_a_prefix_of_a_longer_one(rerank, requests):
    long = rerank(*requests, 20, 0.5).numpy()
    for k in (1, 4, 5, 6, 11):
        np.testing.assert_array_equal(rerank(*requests, tf.constant(k), 0.5), long[:, :k])


def test_sorted_list_holds_the_picked_items_by_relevance(rerank, requests):
    relevance, vectors = requests
    categories = {
        "categories": np.zeros((5, N), int),
        "max_per_category": tf.constant([9, 9, 2, 9, 9]),
    }
    picked = rerank(relevance, vectors, 9, 0.5, **categories).numpy()
    found = rerank(relevance, vectors, 9, 0.5, **categories, is_sorted=True).numpy()
    assert (picked != found).any()
    for row, of_picks, answer in zip(relevance, picked, found, strict=True):
        filled = sorted(of_picks[of_picks >= 0], key=lambda i: (-row[i], i))
        assert answer.tolist() == filled + [-1] * (9 - len(filled))


def test_relevance_of_another_scale_gives_the_same_list(rerank, requests):
    relevance, vectors = requests
    wanted = lists(rerank(relevance, vectors, 10, 0.4))
    assert lists(rerank(relevance * 64 + 3, vectors, 10, 0.4)) == wanted


def test_rows_do_not_know_of_each_other(rerank, requests):
    relevance, vectors = requests
    together = lists(rerank(relevance, vectors, 10, tf.constant(DIVERSITIES)))
    for row, diversity in enumerate(DIVERSITIES):
        alone = rerank(relevance[row : row + 1], vectors[row : row + 1], 10, diversity)
        assert lists(alone) == together[row : row + 1]


def test_similarity_given_is_that_of_the_vectors(rerank, requests, twin):
    relevance, vectors = requests
    similarity = np.stack([twin.similarities(each) for each in vectors])
    wanted = lists(rerank(relevance, vectors, 10, 0.5))
    assert lists(rerank(relevance, None, 10, 0.5, similarity=similarity)) == wanted


# Caps


def test_cap_holds_and_ends_the_list_where_nothing_is_left(rerank, requests):
    found = lists(
        rerank(*requests, 10, 0.5, categories=np.tile(np.arange(N) % 3, (5, 1)), max_per_category=2)
    )
    for row in found:
        assert np.bincount(np.array(row[:6]) % 3).tolist() == [2, 2, 2]
        assert row[6:] == [-1] * 4


def test_cap_is_an_input_of_each_request(rerank, requests):
    categories = np.tile(np.arange(N) % 2, (5, 1))
    caps = tf.constant([0, 1, 2, 3, -1])
    found = rerank(*requests, 8, 0.5, categories=categories, max_per_category=caps).numpy()
    assert (found >= 0).sum(axis=1).tolist() == [8, 2, 4, 6, 8]
    np.testing.assert_array_equal(found[0], rerank(*requests, 8, 0.5).numpy()[0])


def test_items_of_no_category_are_never_capped(rerank, requests):
    free = rerank(*requests, 8, 0.5)
    for none in (np.full((5, N), -1), np.zeros((5, N, 4))):
        capped = rerank(*requests, 8, 0.5, categories=none, max_per_category=1)
        np.testing.assert_array_equal(capped, free)
