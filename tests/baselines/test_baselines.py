"""Facts of each baseline, and the contract that all of them keep."""

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
from recsys_tf.metrics import ranking_metrics

NUM_USERS, NUM_ITEMS = 60, 25


@pytest.fixture(params=BASELINES)
def name(request):
    return request.param


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
