"""The half-life of events in the popularity that new users get."""

import numpy as np
import pytest
from scipy import sparse

from recsys_tf.baselines import BASELINES, NEW_USER, Popularity
from recsys_tf.datasets import interaction_matrix

DAY = 86_400
USERS, ITEMS = [0, 1, 2, 0], [0, 0, 1, 1]
DAYS = np.array([0.0, 0.0, 2.0, 1.0])
EVENTS = interaction_matrix(USERS, ITEMS, 4, 3)
TIMES = interaction_matrix(USERS, ITEMS, 4, 3, 1_000_000 + DAYS * DAY)


def test_recent_events_outweigh_old_ones():
    # Half-life one day: item 0 has two events of two days, item 1 one of today, one of a day.
    scores = Popularity(popularity_half_life_days=1.0).fit(EVENTS, TIMES).scores([0, NEW_USER])
    assert scores.tolist() == [[0.5, 1.5, 0.0]] * 2
    assert Popularity().fit(EVENTS, TIMES).scores([0]).tolist() == [[2.0, 2.0, 0.0]]


@pytest.mark.parametrize("name", BASELINES)
def test_new_users_get_the_recent_popularity(name):
    model = BASELINES[name](popularity_half_life_days=1.0).fit(EVENTS, TIMES)
    assert model.scores([NEW_USER, 3]).tolist() == [[0.5, 1.5, 0.0]] * 2


def test_times_count_from_the_newest_event():
    shifted = TIMES.copy()
    shifted.data -= TIMES.data.max()
    first, second = (
        Popularity(popularity_half_life_days=3.0).fit(EVENTS, times).scores([0])
        for times in (TIMES, shifted)
    )
    np.testing.assert_allclose(first, second)


def test_time_of_zero_is_a_time():
    times = sparse.csr_matrix(([0.0, DAY], ([0, 0], [0, 1])), shape=(1, 2))
    model = Popularity(popularity_half_life_days=1.0).fit(sparse.csr_matrix([[1, 1]]), times)
    assert model.scores([0]).tolist() == [[0.5, 1.0]]


def test_half_life_without_times_is_an_error():
    with pytest.raises(ValueError, match=r"`times` must be given for a half-life of 14 days"):
        Popularity(14.0).fit(EVENTS)


@pytest.mark.parametrize(
    "times",
    [TIMES[:3], interaction_matrix(USERS[:3], ITEMS[:3], 4, 3, DAYS[:3])],
    ids=["shape", "entries"],
)
def test_times_of_other_entries_are_an_error(times):
    with pytest.raises(ValueError, match="`times` must have the entries of `interactions`"):
        Popularity(14.0).fit(EVENTS, times)


def test_time_that_is_not_finite_is_an_error():
    times = TIMES.copy()
    times.data[0] = np.inf
    with pytest.raises(ValueError, match="`times` must be finite, received inf"):
        Popularity(14.0).fit(EVENTS, times)
