"""Facts of each baseline, and the contract that all of them keep."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from recsys_tf.baselines import (
    BASELINES,
    BPR,
    EASE,
    NEW_USER,
    Bias,
    ImplicitALS,
    ItemKNN,
    Popularity,
)
from recsys_tf.baselines.bpr import Events
from recsys_tf.metrics import ranking_metrics

NUM_USERS, NUM_ITEMS = 60, 25
FACTORISATIONS = ("implicit_als", "bpr")


@pytest.fixture(params=BASELINES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def events():
    """Two tastes: even users have items below 12, odd users the others. User 7 has none."""
    rng = np.random.default_rng(0)
    is_low = np.arange(NUM_ITEMS) < 12
    likes = (np.arange(NUM_USERS)[:, None] % 2 == 0) == is_low[None, :]
    happens = rng.random(likes.shape) < np.where(likes, 0.5, 0.03)
    ratings = np.where(happens, rng.integers(1, 6, size=likes.shape), 0)
    ratings[7] = 0
    return sparse.csr_matrix(ratings.astype(float))


def popularity_of(events):
    return np.asarray((events != 0).sum(axis=0)).reshape(-1).astype(float)


# The contract.


def test_scores_cover_the_catalogue_and_are_finite(name, events):
    scores = BASELINES[name]().fit(events).scores(np.arange(NUM_USERS))
    assert scores.shape == (NUM_USERS, NUM_ITEMS)
    assert np.isfinite(scores).all()


def test_new_user_and_user_without_events_get_popularity(name, events):
    scores = BASELINES[name]().fit(events).scores(np.array([NEW_USER, 0, 7]))
    np.testing.assert_array_equal(scores[0], popularity_of(events))
    np.testing.assert_array_equal(scores[2], popularity_of(events))


def test_scores_do_not_depend_on_the_batch(name, events):
    model = BASELINES[name]().fit(events)
    users = np.array([5, NEW_USER, 3, 5, 7])
    together = model.scores(users)
    for row, user in enumerate(users):
        np.testing.assert_allclose(model.scores(users[row : row + 1])[0], together[row], rtol=1e-5)
        assert model.scores(np.array([user])).shape == (1, NUM_ITEMS)
    assert model.scores(np.array([], dtype=int)).shape == (0, NUM_ITEMS)


def test_matrix_of_the_caller_is_not_changed(name, events):
    before = events.copy()
    BASELINES[name]().fit(events)
    assert (before != events).nnz == 0


def test_fits_one_event_and_unused_items(name):
    scores = BASELINES[name]().fit(sparse.csr_matrix([[0, 1, 0], [0, 0, 0]])).scores([0, 1])
    assert np.isfinite(scores).all()


def test_scores_go_into_the_evaluation_as_they_are(name, events):
    model = BASELINES[name]().fit(events)
    found = ranking_metrics(model.scores, None, None, events, cutoffs=(5,), user_batch_size=16)
    assert 0 < found["ndcg_at_5"] <= 1


@pytest.mark.parametrize("tasteful", ["item_knn", "ease", "implicit_als", "bpr"])
def test_held_out_item_of_the_users_taste_beats_popularity(tasteful, events):
    rng = np.random.default_rng(1)
    entries = events.tocoo()
    is_test = rng.random(entries.nnz) < 0.25

    def part(rows):
        cells = (entries.row[rows], entries.col[rows])
        return sparse.csr_matrix((np.ones(rows.sum()), cells), shape=events.shape)

    train, test = part(~is_test), part(is_test)
    settings = {
        "ease": {"l2_regularization": 20.0},
        "item_knn": {"shrinkage": 1.0},
    }
    model = BASELINES[tasteful](**settings.get(tasteful, {})).fit(train)
    found = ranking_metrics(model.scores, None, train, test, cutoffs=(5,))
    plain = ranking_metrics(Popularity().fit(train).scores, None, train, test, cutoffs=(5,))
    # 6 of the 12 items of one's taste are unseen: 5 of them are 5/6 of what can be found.
    assert found["hit_at_5"] > 1.5 * plain["hit_at_5"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_event_that_is_not_finite_is_an_error(name, value):
    with pytest.raises(ValueError, match=rf"`interactions` must be finite, received {value}"):
        BASELINES[name]().fit(sparse.csr_matrix([[1.0, value]]))


def test_no_event_at_all_is_an_error(name):
    with pytest.raises(ValueError, match=r"at least one event, received .* shape \(2, 3\)"):
        BASELINES[name]().fit(sparse.csr_matrix((2, 3)))


def test_scores_before_fit_are_an_error(name):
    with pytest.raises(RuntimeError, match=r"has learned nothing yet; call `fit\(interactions\)`"):
        BASELINES[name]().scores(np.array([0]))


@pytest.mark.parametrize("user", [-2, NUM_USERS])
def test_user_outside_of_the_matrix_is_an_error(name, events, user):
    with pytest.raises(IndexError, match=rf"`user_indexes` must lie .* received {user}"):
        BASELINES[name]().fit(events).scores(np.array([user]))


def test_user_ids_instead_of_indexes_are_an_error(name, events):
    with pytest.raises(ValueError, match=r"`user_indexes` must be integers \[B\], received <U1"):
        BASELINES[name]().fit(events).scores(np.array(["5"]))


# The answers.


def test_popularity_counts_users_and_not_ratings():
    model = Popularity().fit(sparse.csr_matrix([[5.0, 1.0], [0.0, 1.0]]))
    assert model.scores([0]).tolist() == [[1.0, 2.0]]


def test_ease_equals_the_column_by_column_ridge_regression(events):
    # Each column of W is the ridge regression of an item on all others: no shared algebra.
    x, l2 = (events.toarray() != 0).astype(float), 3.0
    weights = np.zeros((NUM_ITEMS, NUM_ITEMS))
    for item in range(NUM_ITEMS):
        others = np.delete(np.arange(NUM_ITEMS), item)
        gram = x[:, others].T @ x[:, others] + l2 * np.eye(len(others))
        weights[others, item] = np.linalg.solve(gram, x[:, others].T @ x[:, item])
    users = np.flatnonzero(x.any(axis=1))
    found = EASE(l2_regularization=l2).fit(events).scores(users)
    np.testing.assert_allclose(found, x[users] @ weights, atol=1e-10)


@pytest.mark.parametrize("num_neighbors", [1, 4, 100])
@pytest.mark.parametrize(("alpha", "is_idf_weighted"), [(0.5, False), (0.4, False), (0.2, True)])
def test_item_knn_equals_the_plain_loop(events, num_neighbors, alpha, is_idf_weighted):
    x, shrinkage = (events.toarray() != 0).astype(float), 2.0
    weighted = x.copy()
    if is_idf_weighted:
        for user in np.flatnonzero(x.any(axis=1)):
            weighted[user] *= np.log(NUM_ITEMS / x[user].sum())
    squares = (weighted**2).sum(axis=0)
    expected = np.zeros_like(x)
    for item in range(NUM_ITEMS):
        similar = [
            0.0
            if other == item
            else (weighted[:, item] * weighted[:, other]).sum()
            / (squares[item] ** alpha * squares[other] ** (1 - alpha) + shrinkage)
            for other in range(NUM_ITEMS)
        ]
        nearest = sorted(range(NUM_ITEMS), key=lambda o: (-similar[o], o))[:num_neighbors]
        expected[:, item] = sum(similar[other] * x[:, other] for other in nearest)
    users = np.flatnonzero(x.any(axis=1))
    model = ItemKNN(num_neighbors, shrinkage, alpha, is_idf_weighted)
    np.testing.assert_allclose(model.fit(events).scores(users), expected[users], atol=1e-12)


def test_item_knn_in_small_blocks_is_the_same(events, monkeypatch):
    whole = ItemKNN().fit(events).scores([0, 1])
    monkeypatch.setattr("recsys_tf.baselines.item_knn.ITEM_BLOCK", 4)
    np.testing.assert_array_equal(ItemKNN().fit(events).scores([0, 1]), whole)


def test_bias_recovers_additive_ratings_without_shrinkage():
    user_bias, item_bias = np.array([0.5, -0.5, 0.0]), np.array([1.0, -1.0, 0.25, -0.25])
    ratings = 3.0 + user_bias[:, None] + item_bias[None, :]
    model = Bias(shrinkage=0.0).fit(sparse.csr_matrix(ratings))
    users, items = np.repeat([0, 1, 2], 4), np.tile([0, 1, 2, 3], 3)
    np.testing.assert_allclose(model.predict(users, items), ratings.reshape(-1), atol=1e-12)


def test_bias_of_one_rating_is_shrunk_as_the_formula_says():
    # Mean 3. Item 1: (5 - 3) / (1 + 1) = 1; item 0: (1 - 3) / (1 + 1) = -1; then user 1 has a
    # residual of 5 - 3 - 1 = 1 -> 1 / 2, user 0 of 1 - 3 + 1 = -1 -> -1 / 2.
    model = Bias(shrinkage=1.0, num_iterations=1).fit(sparse.csr_matrix([[1.0, 0], [0, 5.0]]))
    assert model.predict([0, 0, 1, 1], [0, 1, 0, 1]).tolist() == [1.5, 3.5, 2.5, 4.5]


def test_new_user_and_new_item_have_no_bias():
    model = Bias(shrinkage=1.0, num_iterations=1).fit(sparse.csr_matrix([[1.0, 0], [0, 5.0]]))
    assert model.predict([NEW_USER, 1, NEW_USER], [1, -1, -1]).tolist() == [4.0, 3.5, 3.0]


def test_rating_of_zero_is_a_rating():
    ratings = sparse.csr_matrix(([0.0, 4.0], ([0, 0], [0, 1])), shape=(1, 2))
    model = Bias(shrinkage=0.0).fit(ratings)
    np.testing.assert_allclose(model.predict([0, 0], [0, 1]), [0.0, 4.0], atol=1e-12)


def test_predictions_of_unequal_lengths_are_an_error():
    model = Bias().fit(sparse.csr_matrix([[1.0, 2.0]]))
    with pytest.raises(ValueError, match=r"`item_indexes` must have the length of `user_indexes`"):
        model.predict([0, 0], [1])


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
    model = ImplicitALS(4, l2, unobserved, exponent, num_iterations=200).fit(events)
    p = model._user_factors.astype(float)
    q = model._item_factors.astype(float)
    x = (events.toarray() != 0).astype(float)
    # Terms of each row, and the one scale that makes the sum of the penalties that of `v = 1`.
    of_users = x.sum(axis=1) + unobserved * NUM_ITEMS
    of_items = x.sum(axis=0) + unobserved * NUM_USERS
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


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: EASE(0.0), r"`l2_regularization` must be above 0, received 0.0"),
        (lambda: ItemKNN(num_neighbors=0), r"`num_neighbors` must be at least 1, received 0"),
        (lambda: ItemKNN(shrinkage=-1.0), r"`shrinkage` must be at least 0, received -1.0"),
        (lambda: Bias(shrinkage=float("nan")), r"`shrinkage` must be at least 0, received nan"),
        (lambda: Bias(num_iterations=0), r"`num_iterations` must be at least 1, received 0"),
        (lambda: ItemKNN(alpha=1.5), r"`alpha` must lie between 0 and 1, received 1.5"),
        (
            lambda: Popularity(popularity_half_life_days=-1.0),
            r"`popularity_half_life_days` must be above 0 or None, received -1.0",
        ),
        (lambda: ImplicitALS(factors=0), r"`factors` and `num_iterations` must be at least 1"),
        (
            lambda: ImplicitALS(unobserved_weight=0.0),
            r"`l2_regularization` and `unobserved_weight` must be above 0, received 0.015 and 0.0",
        ),
        (
            lambda: ImplicitALS(frequency_exponent=2.0),
            r"`frequency_exponent` must lie between 0 and 1, received 2.0",
        ),
        (lambda: BPR(num_iterations=0), r"`batch_size` must be at least 1, received 64, 0 and 512"),
        (
            lambda: BPR(learning_rate=0.0),
            r"`learning_rate` must be above 0 and .* received 0.0 and",
        ),
        (lambda: BPR(l2_regularization=-1.0), r"`l2_regularization` at least 0, received .* -1.0"),
    ],
)
def test_setting_out_of_range_is_an_error(make, text):
    with pytest.raises(ValueError, match=text):
        make()
