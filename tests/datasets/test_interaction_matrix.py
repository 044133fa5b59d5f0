import numpy as np
import pytest

from recsys_tf.datasets import interaction_matrix


def test_events_of_a_pair_are_counted():
    matrix = interaction_matrix([1, 0, 1, 1], [2, 1, 2, 0], 3, 3)
    assert matrix.toarray().tolist() == [[0, 1, 0], [1, 0, 2], [0, 0, 0]]


def test_last_value_of_a_pair_is_kept():
    matrix = interaction_matrix([0, 1, 0, 0], [2, 0, 1, 2], 2, 3, values=[1.0, 2.0, 3.0, 4.0])
    assert matrix.toarray().tolist() == [[0, 3, 4], [2, 0, 0]]


def test_value_of_zero_is_an_event_and_a_missing_value_is_none():
    matrix = interaction_matrix([0, 0], [0, 1], 1, 2, values=[0.0, np.nan])
    assert matrix.indices.tolist() == [0]
    assert matrix.data.tolist() == [0.0]


def test_missing_value_does_not_hide_an_earlier_one():
    matrix = interaction_matrix([0, 0], [1, 1], 1, 2, values=[3.0, np.nan])
    assert matrix.toarray().tolist() == [[0, 3]]


@pytest.mark.parametrize("values", [None, []])
def test_no_events_give_an_empty_matrix(values):
    matrix = interaction_matrix([], [], 2, 3, values)
    assert matrix.shape == (2, 3)
    assert matrix.nnz == 0


def test_key_of_user_and_item_does_not_overflow():
    users = np.array([99_999, 99_999], np.int32)
    items = np.array([99_999, 99_998], np.int32)
    matrix = interaction_matrix(users, items, 100_000, 100_000, values=[1.0, 2.0])
    assert matrix[99_999, 99_998] == 2.0


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (([-1], [0], 2, 2), IndexError, r"`user_indexes` must lie between 0 and 1, received -1"),
        (([0], [2], 2, 2), IndexError, r"`item_indexes` must lie between 0 and 1, received 2"),
        (([0], [0.5], 2, 2), ValueError, r"`item_indexes` must be integers, received float64"),
        (([0, 1], [0], 2, 2), ValueError, r"must have one length, received shapes \(2,\), \(1,\)"),
        (([0], [0], 2, 2, [1.0, 2.0]), ValueError, r"must have one length"),
    ],
)
def test_wrong_argument_is_named(arguments, error, text):
    with pytest.raises(error, match=text):
        interaction_matrix(*arguments)
