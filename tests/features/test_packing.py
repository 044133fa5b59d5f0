"""Packed rows: full, apart, and asked the questions that the rows of one sequence are asked."""

from collections import Counter

import numpy as np
import pytest

from recsys_tf.features import Sequences, make_sequence_dataset
from recsys_tf.features.packing import pack_rows

MAX_LENGTH, BATCH_SIZE, MASK = 50, 8, 10**6


@pytest.fixture
def sequences():
    """Sequences of 0 to 70 events, short ones most often; each item stands once."""
    rng = np.random.default_rng(0)
    lengths = np.minimum(rng.geometric(0.05, 300) - 1, 70)
    ends = np.cumsum(lengths)
    num_events = ends[-1]
    items = rng.permutation(num_events).astype(np.int32) + 2
    kinds = (np.arange(num_events) % 3).astype(np.int32)
    return Sequences(items, np.arange(num_events), ends - lengths, ends, actions=kinds)


def batches(sequences, **options):
    made = make_sequence_dataset(sequences, MAX_LENGTH, BATCH_SIZE, seed=3, **options)
    return list(made.as_numpy_iterator())


def questions(found):
    """How often each question is asked: the events before it, oldest first, and the item."""
    asked = Counter()
    for features, labels in found:
        items = features["items"]
        positions = features.get(
            "positions", np.broadcast_to(np.arange(items.shape[1]), items.shape)
        )
        for row, place in np.argwhere(labels):
            before = items[row, place - positions[row, place] : place + 1]
            asked[(*before.tolist(), int(labels[row, place]))] += 1
    return asked


def num_padded(found):
    return sum(int((features["items"] == 0).sum()) for features, _ in found)


@pytest.mark.parametrize("windows", ["newest", "all"])
def test_an_epoch_of_packed_rows_asks_the_same_questions_with_less_padding(sequences, windows):
    plain = batches(sequences, windows=windows)
    packed = batches(sequences, windows=windows, is_packed=True)
    assert questions(packed) == questions(plain)
    assert num_padded(packed) < num_padded(plain) / 2
    assert len(packed) <= len(plain)
    assert all(each["items"].shape[1] <= MAX_LENGTH for each, _ in packed)
    assert all(each["items"].size <= BATCH_SIZE * MAX_LENGTH for each, _ in packed)


def test_columns_follow_their_events_into_packed_rows(sequences):
    place_of = dict(zip(sequences.items.tolist(), range(len(sequences.items)), strict=True))
    for features, _ in batches(sequences, columns=("times", "actions"), is_packed=True):
        is_event = features["items"] > 0
        places = np.array([place_of[each] for each in features["items"][is_event].tolist()])
        assert (features["times"][is_event] == sequences.times[places]).all()
        assert (features["actions"][is_event] == sequences.actions[places]).all()
        assert (features["positions"][~is_event] == 0).all()


def test_masked_packed_rows_ask_for_each_sequences_last_event_in_half_of_them(sequences):
    num_last, num_others, num_sequences = 0, 0, 0
    lasts = set(sequences.items[sequences.ends[sequences.lengths > 0] - 1].tolist())
    for features, labels in batches(sequences, mask_index=MASK, masked_share=0.1, is_packed=True):
        assert ((features["items"] == MASK) == (labels > 0)).all()
        # The last of each sequence by their positions alone.
        after = np.pad(features["positions"][:, 1:], [[0, 0], [0, 1]])
        is_last = (features["items"] > 0) & (after == 0)
        assert {each for each in labels[is_last].tolist() if each} <= lasts
        num_last += int((labels[is_last] > 0).sum())
        num_sequences += int(is_last.sum())
        num_others += int((labels[~is_last] > 0).sum())
    assert num_sequences == (sequences.lengths > 1).sum()
    # 0.1 + 0.9 / 2 of them, with room for chance.
    assert 0.4 < num_last / num_sequences < 0.7
    assert num_others > 0


def test_packed_rows_are_the_same_in_each_run_and_of_another_seed_others(sequences):
    first, second = (questions_in_order(batches(sequences, is_packed=True)) for _ in range(2))
    assert first == second
    other = make_sequence_dataset(sequences, MAX_LENGTH, BATCH_SIZE, seed=4, is_packed=True)
    assert first != questions_in_order(list(other.as_numpy_iterator()))


def questions_in_order(found):
    return [labels.tolist() for _, labels in found]


def test_a_time_of_the_request_is_refused_of_packed_rows(sequences):
    with pytest.raises(ValueError, match="must be without 'asked_at' where rows are packed"):
        batches(sequences, columns=("times", "asked_at"), is_packed=True)


def test_rows_hold_no_more_than_they_can_and_are_few():
    rng = np.random.default_rng(1)
    for capacity in (1, 7, 50):
        lengths = rng.integers(1, capacity + 1, 2000)
        rows = pack_rows(lengths, capacity, seed=0)
        filled = np.bincount(rows, weights=lengths)
        assert filled.max() <= capacity
        assert filled.min() >= 1
        # Best fit decreasing needs at most 11/9 of the fewest rows possible (Johnson), and 4; of
        # so many histories those are hardly more than the events alone would fill.
        assert len(filled) <= 11 / 9 * np.ceil(lengths.sum() / capacity) + 4


def test_what_fits_exactly_leaves_no_room():
    rows = pack_rows(np.array([6, 5, 5, 4, 3, 3, 2, 2]), capacity=10, seed=0)
    assert np.bincount(rows, weights=[6, 5, 5, 4, 3, 3, 2, 2]).tolist() == [10, 10, 10]
    assert pack_rows(np.array([], np.int64), capacity=10, seed=0).tolist() == []
