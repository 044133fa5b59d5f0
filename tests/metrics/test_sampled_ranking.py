"""One positive among sampled negatives: ranks, their metrics, and the draw."""

import math

import numpy as np
import pytest
from scipy import sparse

from recsys_tf.metrics import (
    UndefinedMetricWarning,
    ranking_metrics,
    sampled_ranking_metrics,
    sampled_ranking_values,
    sampled_ranks,
    values_of_ranks,
)


@pytest.fixture(scope="module")
def twin(load_reference):
    return load_reference("sampled_ranking")


def test_rank_counts_the_better_and_the_equal_negatives():
    scores = [[0.5, 0.9, 0.5, 0.1], [0.5, 0.4, 0.3, 0.2], [0.5, 0.5, 0.5, 0.5]]
    assert sampled_ranks(scores, [[0, 1, 2, 3]] * 3).tolist() == [3, 1, 4]


def test_negative_that_stands_twice_counts_once_at_its_first_place():
    assert sampled_ranks([[0.5, 0.9, 0.9, 0.1]], [[7, 3, 3, 5]]).tolist() == [2]
    assert sampled_ranks([[0.5, 0.1, 0.9, 0.1]], [[7, 3, 3, 5]]).tolist() == [1]


def test_positive_among_the_negatives_is_no_negative():
    assert sampled_ranks([[0.5, 0.5, 0.9]], [[7, 7, 3]]).tolist() == [2]


def test_empty_place_is_no_candidate_whatever_its_score():
    assert sampled_ranks([[0.5, np.nan, 0.9]], [[7, -1, 3]]).tolist() == [2]


def test_infinite_scores_have_their_order():
    scores = [[np.inf, 0.0], [-np.inf, 0.0], [-np.inf, -np.inf]]
    assert sampled_ranks(scores, [[0, 1]] * 3).tolist() == [1, 2, 2]


def test_metrics_of_a_rank_are_those_of_hand_arithmetic():
    values = values_of_ranks([1, 3, 4], (1, 3))
    assert values["hit_rate_at_1"].tolist() == [1, 0, 0]
    assert values["hit_rate_at_3"].tolist() == [1, 1, 0]
    assert values["ndcg_at_3"].tolist() == [1, 1 / 2, 0]  # log2(3 + 1) = 2
    assert values["mrr"].tolist() == [1, 1 / 3, 1 / 4]


@pytest.mark.parametrize("seed", range(3))
def test_all_metrics_equal_those_of_the_plain_twin(twin, seed):
    # Few scores and few items: ties, duplicates, the positive among the negatives, empty places.
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 12, size=(40, 30)).astype(float)
    candidates = rng.integers(-1, 30, size=(40, 16))
    candidates[:, 0] = rng.integers(0, 30, size=40)
    expected = [
        twin.metrics(s.tolist(), c.tolist(), 5) for s, c in zip(scores, candidates, strict=True)
    ]
    found = sampled_ranking_values(lambda users: scores[users], candidates, None, (5,), 7).by_user
    names = ("hit_rate_at_5", "ndcg_at_5", "mrr")
    np.testing.assert_allclose(np.transpose([found[name] for name in names]), expected, atol=1e-12)


def test_all_unmet_items_as_negatives_give_the_full_ranking(rng):
    scores = rng.normal(size=(20, 12))
    met = sparse.csr_matrix(rng.random((20, 12)) < 0.3)
    unmet = [rng.permutation(np.flatnonzero(row == 0)) for row in met.toarray()]
    positives = [items[0] for items in unmet]
    candidates = np.full((20, 13), -1)
    for user, items in enumerate(unmet):
        candidates[user, : len(items)] = items
    relevant = sparse.csr_matrix((np.ones(20), (np.arange(20), positives)), shape=(20, 12))
    whole = ranking_metrics(lambda users: scores[users], None, met, relevant, (3, 12))
    found = sampled_ranking_metrics(lambda users: scores[users], candidates, None, (3,))
    for name in ("hit_rate_at_3", "ndcg_at_3"):
        assert found[name] == pytest.approx(whole[name], abs=1e-12)
    assert found["mrr"] == pytest.approx(whole["mrr_at_12"], abs=1e-12)


def test_rows_belong_to_the_given_users():
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    values = sampled_ranking_values(lambda users: scores[users], [[0, 1], [0, 1]], np.array([1, 0]))
    assert values.user_indexes.tolist() == [1, 0]
    assert values.by_user["mrr"].tolist() == [1 / 2, 1]


def test_no_user_gives_nan_and_a_warning():
    nobody = np.zeros((0, 3), int)
    with pytest.warns(UndefinedMetricWarning, match="no user has a relevant item"):
        assert math.isnan(sampled_ranking_metrics(lambda users: np.ones((0, 5)), nobody)["mrr"])


# The errors.


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: sampled_ranks([0.5], [3]), ValueError, r"`candidates` must be \[U, 1 \+ k\]"),
        (lambda: sampled_ranks([[1.0]], [[1.5]]), ValueError, r"must be integers, received float"),
        (lambda: sampled_ranks([[1.0]], [[-1]]), ValueError, r"any column but the first, .*\[-1\]"),
        (lambda: sampled_ranks([[1, 2]], [[3, -2]]), ValueError, r"received \[3, -2\]"),
        (lambda: sampled_ranks([[1, 2]], [[3]]), ValueError, r"shape of `candidates`, \(1, 1\)"),
        (lambda: sampled_ranks([[np.nan, 2]], [[3, 4]]), ValueError, r"NaN in 1 of 1 rows"),
        (lambda: values_of_ranks([0]), ValueError, r"`ranks` must be \[U\], 1 or above"),
        (lambda: values_of_ranks([1], ()), ValueError, r"`cutoffs` must be numbers of at least 1"),
        (
            lambda: sampled_ranking_metrics(lambda users: np.ones((1, 3)), [[0, 3]]),
            IndexError,
            r"`candidates` must be columns of the scores, 0 to 2, received 3",
        ),
        (
            lambda: sampled_ranking_metrics(lambda users: np.ones((2, 3)), [[0, 1]]),
            ValueError,
            r"`scores_fn` must give \[B, N\] for B users, received shape \(2, 3\) for 1 users",
        ),
        (
            lambda: sampled_ranking_metrics(lambda users: np.ones((1, 3)), [[0]], [0, 1]),
            ValueError,
            r"`user_indexes` must be integers of shape \(1,\)",
        ),
        (
            lambda: sampled_ranking_metrics(len, [[0]], user_batch_size=0),
            ValueError,
            r"`user_batch_size` must be at least 1, received 0",
        ),
    ],
)
def test_wrong_argument_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
