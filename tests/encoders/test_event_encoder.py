"""The kind of an event and the time before it, added to its item's vector."""

import numpy as np
import pytest

from recsys_tf.encoders import EventEncoder
from recsys_tf.encoders.event_encoder import NUM_GAPS, request_gaps, time_gaps


def gaps(times, is_event=None):
    times = np.array([times])
    is_event = np.ones(times.shape, bool) if is_event is None else np.array([is_event])
    return np.asarray(time_gaps(times, is_event))[0]


def test_gaps_are_counted_in_powers_of_two_of_a_second():
    lengths = [0, 1, 2, 3, 4, 7, 8, 2**20 - 1, 2**20, 2**31]
    found = gaps(np.cumsum([1_000_000_000, *lengths]))
    assert found.tolist() == [0, 1, 2, 3, 3, 4, 4, 5, 21, 22, 33]
    assert NUM_GAPS == 34


def test_a_gap_over_all_times_is_the_last_class():
    assert gaps([0, 2**40])[1] == NUM_GAPS - 1


@pytest.mark.parametrize("times", [[100, 40], [-5, -9], [2**40, -(2**40)]])
def test_a_gap_below_zero_counts_as_none(times):
    assert gaps(times).tolist() == gaps([7, 7]).tolist() == [0, 1]


def test_times_before_1970_and_far_ahead_are_times_like_any():
    assert gaps([-8, 0]).tolist() == gaps([2**40, 2**40 + 8]).tolist() == [0, 5]


def test_no_gap_is_counted_from_another_sequence_of_a_packed_row():
    times = np.array([[50, 100, 104, 106, 107, 0]])
    positions = np.array([[0, 1, 0, 1, 2, 0]])
    is_event = np.array([[True, True, True, True, True, False]])
    found = np.asarray(time_gaps(times, is_event, positions))
    assert found[:, :5].tolist() == [[0, 7, 0, 3, 2]]
    # The second one's first event is masked: what follows has none before it.
    is_event[0, 2] = False
    found = np.asarray(time_gaps(times, is_event, positions))
    assert found[0, [0, 1, 3, 4]].tolist() == [0, 7, 0, 2]


def test_a_gap_is_counted_from_the_event_before_and_not_from_padding():
    is_event = [False, True, False, False, True]
    found = gaps([50, 100, 999, 0, 104], is_event)
    assert found[[1, 4]].tolist() == [0, 4]


@pytest.mark.parametrize(
    ("asked_at", "last"), [(104, 1), (105, 2), (2**40, NUM_GAPS - 1), (90, 1), (0, 0), (-5, 0)]
)
def test_a_request_is_counted_from_the_last_event_and_each_other_gap_from_its_own(asked_at, last):
    is_event = np.array([[False, True, False, True, True, False]])
    times = np.array([[50, 90, 999, 100, 104, 0]])
    found = np.asarray(request_gaps(times, is_event, np.array([asked_at])))[0]
    # Ten seconds to the event after, then four, then what the request is away.
    assert found[[1, 3, 4]].tolist() == [5, 4, last]


def test_a_row_without_events_has_no_gap():
    found = request_gaps(np.zeros([1, 2], int), np.zeros([1, 2], bool), np.array([7]))
    assert (np.asarray(found) == 0).all()


def test_training_hides_a_share_of_the_gaps_after_events_as_not_known():
    encoder = EventEncoder(has_times=True, has_request_times=True, request_dropout=0.25)
    vectors, is_event = np.zeros([50, 40, 1], "float32"), np.ones([50, 40], bool)
    times, asked_at = np.zeros([50, 40], int), np.full(50, 9)
    inputs = {"times": times, "asked_at": asked_at}
    encoder(vectors, is_event, **inputs)
    encoder.gap_table.embeddings.assign(np.zeros([NUM_GAPS, 1]))
    encoder.request_table.embeddings.assign(np.arange(NUM_GAPS)[:, np.newaxis])
    expected = np.ones([50, 40])
    expected[:, -1] = 5  # Nine seconds to the question.
    np.testing.assert_array_equal(encoder(vectors, is_event, **inputs)[..., 0], expected)
    found = np.asarray(encoder(vectors, is_event, **inputs, training=True))[..., 0]
    is_hidden = found != expected
    assert (found[is_hidden] == 0).all()
    assert 0.2 < is_hidden.mean() < 0.3


def test_gaps_after_events_need_their_times():
    with pytest.raises(ValueError, match="`has_times` must be true where `has_request_times` is"):
        EventEncoder(num_actions=4, has_request_times=True)


def test_moments_of_floats_are_refused():
    with pytest.raises(TypeError, match="`asked_at` must be integers, whole seconds"):
        request_gaps(np.zeros([1, 2], int), np.ones([1, 2], bool), np.zeros(1))


def test_times_of_floats_are_refused():
    with pytest.raises(TypeError, match="`times` must be integers, whole seconds, received .*"):
        time_gaps(np.zeros([1, 2], "float32"), np.ones([1, 2], bool))


def test_both_rows_are_added_and_nothing_where_no_event_is_shown():
    encoder = EventEncoder(num_actions=4, has_times=True)
    vectors = np.full([1, 3, 2], 10.0, "float32")
    arguments = np.array([[True, True, False]]), np.array([[2, 3, 3]]), np.array([[0, 1, 2]])
    encoder(vectors, *arguments)
    encoder.action_table.embeddings.assign(np.arange(8).reshape(4, 2) * 1.0)
    encoder.gap_table.embeddings.assign(np.arange(NUM_GAPS * 2).reshape(-1, 2) * 100.0)
    # Rows 2 and 3 of the actions; gap 0 of a first event, and 2 of one second.
    expected = [[10 + 4, 10 + 5 + 100], [10 + 6 + 400, 10 + 7 + 500], [10, 10]]
    assert np.asarray(encoder(vectors, *arguments))[0].tolist() == expected


@pytest.mark.parametrize("num_actions", [0, -1])
def test_a_table_without_rows_is_refused(num_actions):
    with pytest.raises(ValueError, match="`num_actions` must be"):
        EventEncoder(num_actions, has_times=True)


def test_an_encoder_of_nothing_is_refused():
    with pytest.raises(ValueError, match="`num_actions` or `has_times` must be given"):
        EventEncoder()


def test_a_column_that_is_not_read_is_refused():
    vectors, is_event = np.ones([1, 2, 3], "float32"), np.ones([1, 2], bool)
    with pytest.raises(ValueError, match="`times` must be given exactly where they are read"):
        EventEncoder(num_actions=3)(vectors, is_event, np.ones([1, 2], int), np.ones([1, 2], int))
    with pytest.raises(ValueError, match="`actions` must be given .* received none"):
        EventEncoder(num_actions=3)(vectors, is_event)
