"""Implicit ALS and BPR."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from recsys_tf.baselines import BASELINES, BPR, ImplicitALS
from recsys_tf.baselines.bpr import Events

FACTORISATIONS = ("implicit_als", "bpr")


@pytest.mark.parametrize("factorisation", FACTORISATIONS)
def test_seed_repeats_the_factors_and_another_has_others(factorisation, events):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make = BASELINES[factorisation]
        first = make(factors=8).fit(events).scores([0, 1])
        second = make(factors=8).fit(events).scores([0, 1])
        other = make(factors=8, seed=1).fit(events).scores([0, 1])
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_implicit_als_is_where_its_loss_has_no_slope(events, exponent):
    l2, unobserved = 0.05, 0.2
    num_users, num_items = events.shape
    model = ImplicitALS(4, l2, unobserved, exponent, num_iterations=200).fit(events)
    p = model._user_factors.astype(float)
    q = model._item_factors.astype(float)
    x = (events.toarray() != 0).astype(float)
    # Terms of each row, and the one scale that makes the sum of the penalties that of `v = 1`.
    of_users = x.sum(axis=1) + unobserved * num_items
    of_items = x.sum(axis=0) + unobserved * num_users
    scale = (of_users.sum() + of_items.sum()) / (
        (of_users**exponent).sum() + (of_items**exponent).sum()
    )
    scores = p @ q.T
    slope = x * (scores - 1) + unobserved * scores
    of_q = slope.T @ p + l2 * scale * (of_items**exponent)[:, None] * q
    of_p = slope @ q + l2 * scale * (of_users**exponent)[:, None] * p
    # The items were solved last, the users settle with them.
    np.testing.assert_allclose(of_q, 0, atol=1e-4)
    np.testing.assert_allclose(of_p, 0, atol=1e-3)
    assert np.abs(scores).max() > 0.5


def test_implicit_als_in_small_blocks_is_the_same(events, monkeypatch):
    whole = ImplicitALS(num_iterations=2).fit(events).scores([0, 1])
    monkeypatch.setattr("recsys_tf.baselines.implicit_als.BLOCK_NUMBERS", 1)
    one_by_one = ImplicitALS(num_iterations=2).fit(events).scores([0, 1])
    np.testing.assert_allclose(one_by_one, whole, atol=1e-5)


def test_bpr_takes_the_step_of_its_formula():
    # One user, who had item 0 of two: the negative can be item 1 only.
    l2, rate = 0.5, 0.1
    settings = {"learning_rate": rate, "l2_regularization": l2, "num_iterations": 1}
    still = BPR(2, **{**settings, "learning_rate": 1e-12}).fit(sparse.csr_matrix([[1, 0]]))
    moved = BPR(2, **settings).fit(sparse.csr_matrix([[1, 0]]))
    p, (q, other) = still._user_factors[0, :2], still._item_factors[:, :2]
    pull = 1 / (1 + np.exp(p @ (q - other)))
    expected = [
        (p + rate * (pull * (q - other) - l2 * p)) @ (q + rate * (pull * p - l2 * q)) + rate * pull,
        (p + rate * (pull * (q - other) - l2 * p)) @ (other + rate * (-pull * p - l2 * other))
        - rate * pull,
    ]
    np.testing.assert_allclose(moved.scores([0])[0], expected, atol=1e-6)


def test_steps_of_one_row_in_a_batch_add_up():
    # Twice the same user and item: what two users with these factors would do, together.
    one = BPR(2, num_iterations=1, l2_regularization=0.0, learning_rate=0.1)
    users = np.array([[0.1, 0.2, 1.0]], np.float32)
    items = np.array([[0.3, 0.1, 0.0], [0.2, 0.4, 0.0]], np.float32)
    twice_users, twice_items = users.copy(), items.copy()
    place, other = np.zeros(1, int), np.ones(1, int)
    before = users.copy(), items.copy()
    one._step(users, items, place, place, other, 0.1)
    one._step(
        twice_users, twice_items, *(np.repeat(each, 2) for each in (place, place, other)), 0.1
    )
    np.testing.assert_allclose(twice_users - before[0], 2 * (users - before[0]), atol=1e-7)
    np.testing.assert_allclose(twice_items - before[1], 2 * (items - before[1]), atol=1e-7)


def test_bpr_draws_negatives_uniformly_from_what_the_user_had_not():
    # Item 0 is the most popular but for user 9, who had items 1 and 2.
    had = np.zeros((10, 6))
    had[:9, 0], had[9, 1:3], had[:9, 1] = 1, 1, 1
    events = Events.of(sparse.csr_matrix(had))
    rng = np.random.default_rng(0)
    counts = np.zeros(had.shape)
    for _ in range(2000):
        places, negatives = events.draw(rng)
        assert len(places) == len(events.users)
        np.add.at(counts, (events.users[places], negatives), 1)
    assert (counts[had == 1] == 0).all()
    # 4,000 draws for each user over four items; a deviation is sqrt(4000 / 4 * 3 / 4) = 27.
    np.testing.assert_allclose(counts[had == 0], 1000, atol=5 * 27)


def test_bpr_leaves_out_users_that_had_everything():
    scores = BPR(2).fit(sparse.csr_matrix([[1, 1], [1, 0]])).scores([0, 1])
    assert scores[1, 0] > scores[1, 1]
    assert np.isfinite(BPR(2).fit(sparse.csr_matrix([[1, 1]])).scores([0])).all()


def test_bpr_without_biases_scores_by_the_factors_alone(events):
    model = BPR(4, has_bias=False).fit(events)
    assert not model._item_factors[:, -1].any()
    assert BPR(4).fit(events)._item_factors[:, -1].any()


def test_bpr_puts_what_the_users_had_above_the_rest():
    # All had item 0; the second item tells the two tastes apart; item 3 nobody had.
    had = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0]])
    scores = BPR(8, batch_size=4).fit(sparse.csr_matrix(had)).scores(np.arange(4))
    for row, of_user in zip(scores, had, strict=True):
        assert row[of_user == 1].min() > row[of_user == 0].max()


def test_bpr_that_diverges_names_the_learning_rate(events):
    with pytest.raises(ValueError, match=r"`learning_rate` must not let .* received 1e\+30"):
        BPR(8, learning_rate=1e30).fit(events)
