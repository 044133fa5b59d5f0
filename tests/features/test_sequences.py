"""Sequences: the order of events, the cut into rows, and the batches of questions."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_tf.features import (
    Sequences,
    make_question_dataset,
    make_sequence_dataset,
    make_sequences,
)
from recsys_tf.features.sequences import _group_bounds


def of_lengths(*lengths: int) -> Sequences:
    """Items count from 2 on within each sequence, so that the next one is known."""
    ends = np.cumsum(lengths)
    items = np.concatenate([np.arange(2, 2 + n) for n in lengths]).astype(np.int32)
    return Sequences(items, np.arange(len(items)), ends - lengths, ends)


def rows_of(sequences: Sequences) -> list[list[int]]:
    bounds = zip(sequences.starts, sequences.ends, strict=True)
    return [sequences.items[start:end].tolist() for start, end in bounds]


def test_events_are_sorted_by_user_and_time_and_those_moved_are_counted():
    found = make_sequences(
        np.array(["a", "b", "a", "a"]),
        np.array([5, 6, 7, 8]),
        np.array([30, 10, 20, 20]),
        np.array(["b", "nobody", "a"]),
    )
    # The two of one second keep their order.
    assert rows_of(found) == [[6], [], [7, 8, 5]]
    assert found.num_unsorted == 1


def test_unsorted_events_are_refused_where_asked():
    users, items, times = np.array(["a", "a"]), np.array([2, 3]), np.array([2, 1])
    with pytest.raises(ValueError, match=r"`timestamps` must not fall .* 1 do, .* user 'a'"):
        make_sequences(users, items, times, np.array(["a"]), order="refuse")


def test_times_before_1970_come_first():
    users, items = np.array(["a", "a"]), np.array([2, 3])
    found = make_sequences(users, items, np.array([5, -5]), np.array(["a"]))
    assert rows_of(found) == [[3, 2]]


def test_only_chosen_rows_are_used():
    users, items, times = np.array(["a"] * 3), np.array([2, 3, 4]), np.array([3, 2, 1])
    found = make_sequences(users, items, times, np.array(["a"]), rows=np.array([2, 0]))
    assert rows_of(found) == [[4, 2]]


def test_kinds_of_action_follow_their_events():
    users, items = np.array(["a", "b", "a"]), np.array([5, 6, 7])
    found = make_sequences(
        users, items, np.array([9, 1, 2]), np.array(["b", "a"]), actions=np.array([2, 3, 4])
    )
    assert found.actions.tolist() == [3, 4, 2]
    assert found.newest(1).actions is found.actions


def test_a_column_that_the_events_lack_is_named():
    with pytest.raises(ValueError, match="'actions'"):
        make_sequence_dataset(of_lengths(3), 5, 2, seed=0, columns=["actions"])


@pytest.mark.parametrize("name", ["items", "timestamps", "actions"])
def test_columns_of_floats_are_refused(name):
    columns = {"items": np.array([2]), "timestamps": np.array([1]), "actions": np.array([2])}
    columns[name] = columns[name] * 1.0
    with pytest.raises(TypeError, match=f"`{name}` must be integers, received dtype float64"):
        make_sequences(np.array(["a"]), names=np.array(["a"]), **columns)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"actions": np.array([2])}, "`actions` must be one for each of `users`, received 1 for 2"),
        ({"items": np.array([2])}, r"of one length, received 2, 1 and 2"),
        ({"names": np.array(["a", "a"])}, r"each user once, 'a' is twice"),
    ],
)
def test_faulty_columns_are_refused(change, fault):
    columns = {
        "users": np.array(["a", "a"]),
        "items": np.array([2, 3]),
        "timestamps": np.array([1, 2]),
        "names": np.array(["a"]),
    }
    with pytest.raises(ValueError, match=fault):
        make_sequences(**{**columns, **change})


def test_every_event_but_the_first_is_asked_for_once_in_windows():
    for length in range(12):
        asked = [item for row in rows_of(of_lengths(length).windows(4)) for item in row[1:]]
        assert sorted(asked) == list(range(3, 2 + length))


def test_newest_events_are_kept():
    assert rows_of(of_lengths(5, 1, 0).newest(2)) == [[5, 6], [2], []]


def test_labels_are_the_items_that_come_next():
    dataset = make_sequence_dataset(of_lengths(3, 9), max_length=4, batch_size=1, seed=0)
    for features, labels in dataset:
        items = features["items"].numpy()
        is_asked = labels.numpy() > 0
        assert (labels.numpy()[is_asked] == items[is_asked] + 1).all()
    # Two questions of the first user; of the second the newest four.
    assert sum(int((labels > 0).numpy().sum()) for _, labels in dataset) == 2 + 4


def with_columns(sequences: Sequences) -> Sequences:
    """Kinds that are the items' last digits, and times a hundred seconds apart."""
    times = np.arange(len(sequences.items)) * 100
    return replace(sequences, actions=(sequences.items % 10).astype(np.int32), times=times)


@pytest.mark.parametrize("mask_index", [None, 99])
def test_columns_stand_beside_the_items(mask_index):
    sequences, columns = with_columns(of_lengths(3, 9)), ("actions", "times")
    trained = make_sequence_dataset(
        sequences, 4, 2, seed=0, mask_index=mask_index, masked_share=0.1, columns=columns
    )
    asked = make_question_dataset(
        sequences, np.array([20, 21]), 4, 2, mask_index=mask_index, columns=columns
    )
    for dataset in (trained, asked):
        for features, labels in dataset:
            items, actions, times = (
                features[name].numpy() for name in ("items", "actions", "times")
            )
            assert times.dtype == np.int64
            assert items.shape == actions.shape == times.shape == labels.shape
            is_shown = (items > 0) & (items != 99)
            assert (actions[is_shown] == items[is_shown] % 10).all()
            both = is_shown[:, 1:] & is_shown[:, :-1]
            assert (np.diff(times)[both] == 100).all()
            assert (times[items == 0] == 0).all()


def test_a_row_is_asked_at_the_time_of_its_last_answer():
    sequences, columns = with_columns(of_lengths(3, 9)), ("times", "asked_at")
    trained = make_sequence_dataset(sequences, 4, 2, seed=0, columns=columns)
    moments = [features["asked_at"].numpy() for features, _ in trained]
    assert {each.dtype for each in moments} == {np.dtype(np.int64)}
    # The third event of the first user, and the twelfth of all.
    assert sorted(np.concatenate(moments)) == [200, 1100]
    asked = make_question_dataset(
        sequences, np.array([20, 21]), 4, 1, columns=columns, asked_at=np.array([7, 8])
    )
    assert [x["asked_at"].numpy().tolist() for x, _ in asked] == [[7], [8]]


def test_times_of_questions_are_refused_where_they_have_no_meaning():
    sequences = with_columns(of_lengths(3))
    with pytest.raises(ValueError, match="`columns` must be without 'asked_at' where events are"):
        make_sequence_dataset(sequences, 4, 2, seed=0, mask_index=99, columns=("asked_at",))
    for columns, moments in ((("asked_at",), None), ((), np.array([7]))):
        with pytest.raises(ValueError, match="`asked_at` must be given exactly where `columns`"):
            make_question_dataset(
                sequences, np.array([20]), 4, 2, columns=columns, asked_at=moments
            )


def test_each_row_is_met_once_an_epoch_and_in_another_order_in_the_next():
    sequences = of_lengths(*range(2, 40))
    dataset = make_sequence_dataset(sequences, max_length=50, batch_size=1, seed=0)
    assert int(dataset.cardinality()) > 5
    epochs = [[tuple(row) for x, _ in dataset for row in x["items"].numpy()] for _ in range(2)]
    lengths = [sorted(np.count_nonzero(row) for row in epoch) for epoch in epochs]
    # Of a user's `n` events `n - 1` are questions, and the last one stands where a row is longer.
    assert all(len(of) == 38 for of in lengths)
    assert epochs[0] != epochs[1]


def test_runs_of_one_seed_are_equal():
    first, second = (
        [x["items"].numpy().tolist() for x, _ in make_sequence_dataset(data, 50, 1, seed=3)]
        for data in [of_lengths(*range(2, 20))] * 2
    )
    assert first == second


def test_a_batch_has_no_more_positions_than_asked():
    sequences = of_lengths(*np.random.default_rng(0).integers(2, 60, 200))
    for features, _ in make_sequence_dataset(sequences, max_length=50, batch_size=4, seed=0):
        # Lengths are drawn apart by a tenth at the most.
        assert np.prod(features["items"].shape) <= 1.25 * 4 * 50


@pytest.mark.parametrize(("mask_index", "length"), [(None, 4), (99, 5)])
def test_a_batch_of_full_rows_has_the_batch_size(mask_index, length):
    dataset = make_sequence_dataset(
        of_lengths(*[5] * 6), max_length=4, batch_size=3, seed=0, mask_index=mask_index
    )
    assert [features["items"].shape for features, _ in dataset] == [(3, length)] * 2


def test_groups_have_the_longest_row_within_the_bound():
    assert _group_bounds(np.array([1, 1, 1, 2, 5]), 4).tolist() == [0, 2, 4, 5]


def test_masked_events_are_asked_for_and_the_others_are_shown():
    dataset = make_sequence_dataset(
        of_lengths(*[9] * 50), 20, 50, seed=0, mask_index=99, masked_share=0.3
    )
    ((features, labels),) = list(dataset)
    items, labels = features["items"].numpy(), labels.numpy()
    is_masked = items == 99
    assert (np.where(is_masked, labels, items) == np.arange(2, 11)).all()
    assert (labels[~is_masked] == 0).all()
    # 0.3 of the first eight positions; the last one in half of the rows more.
    assert is_masked[:, :8].mean() == pytest.approx(0.3, abs=0.07)
    assert is_masked[:, 8].mean() == pytest.approx(0.65, abs=0.2)


def test_a_masked_row_keeps_its_oldest_event_beside_a_longer_one():
    dataset = make_sequence_dataset(of_lengths(4, 5), 4, 2, seed=0, mask_index=99)
    ((features, labels),) = list(dataset)
    rows = np.where(labels.numpy() > 0, labels, features["items"])
    assert sorted(rows.tolist()) == [[2, 3, 4, 5, 0], [2, 3, 4, 5, 6]]


@pytest.mark.parametrize("windows", ["newest", "all"])
def test_masks_stand_in_training_where_they_stand_when_it_serves(windows):
    # Of nine events two rows of five are made.
    dataset = make_sequence_dataset(
        of_lengths(*[9] * 20), 4, 40, seed=0, windows=windows, mask_index=99, masked_share=0.1
    )
    ((_, labels),) = list(dataset)
    assert labels.shape == ({"newest": 20, "all": 40}[windows], 5)
    ((served, _),) = list(make_question_dataset(of_lengths(9), np.array([50]), 4, 1, mask_index=99))
    place = served["items"].numpy()[0].tolist().index(99)
    # A tenth of the rows, and half of the others.
    assert (labels.numpy()[:, place] > 0).mean() == pytest.approx(0.55, abs=0.3)


def test_a_question_stands_at_the_last_event_of_a_history():
    dataset = make_question_dataset(of_lengths(3, 0, 1), np.array([50, 51, 52]), 2, batch_size=3)
    ((features, labels),) = list(dataset)
    # In the order of length; nobody is asked about nothing.
    assert features["items"].numpy().tolist() == [[0, 0], [2, 0], [3, 4]]
    assert labels.numpy().tolist() == [[0, 0], [52, 0], [0, 50]]


@pytest.mark.parametrize("mask_index", [None, 99])
def test_all_of_a_history_is_seen_however_little_is_read(mask_index):
    items = np.array([4, 5, 4, 6, 7, 9, 9, 9], np.int32)
    starts, ends = np.array([0, 5, 5]), np.array([5, 5, 8])
    histories = Sequences(items, np.arange(8), starts, ends)
    found = {}
    for flag in (True, False, None):
        dataset = make_question_dataset(
            histories, np.array([50, 51, 52]), 2, 3, mask_index=mask_index, is_seen_excluded=flag
        )
        ((found[flag], labels),) = list(dataset)
        # Of those that are cut to one length, the one who has seen less comes first.
        order = [51, 52, 50] if flag else [51, 50, 52]
        assert labels.numpy().max(axis=1).tolist() == [0, *order[1:]]
    assert {found[flag]["seen"].numpy().dtype for flag in (True, False)} == {np.dtype("int32")}
    assert found[True]["seen"].numpy().tolist() == [[0, 0, 0, 0], [9, 0, 0, 0], [4, 5, 6, 7]]
    assert found[False]["seen"].numpy().tolist() == [[0], [0], [0]]
    assert "seen" not in found[None]


def test_different_items_of_sequences_that_were_chosen():
    random = np.random.default_rng(0)
    ends = np.sort(random.integers(0, 200, 20))
    starts = np.append(0, ends[:-1])
    items = random.integers(2, 12, 200).astype(np.int32)
    chosen = Sequences(items, np.arange(200), starts, ends).take(random.permutation(20)[:12])
    found = chosen.different_items()
    for row in range(12):
        own = chosen.items[chosen.starts[row] : chosen.ends[row]]
        assert found.items[found.starts[row] : found.ends[row]].tolist() == sorted(
            set(own.tolist())
        )
    assert len(chosen.take(np.array([], int)).different_items()) == 0


def test_a_masked_question_stands_after_the_last_event():
    dataset = make_question_dataset(of_lengths(2, 1), np.array([50, 51]), 9, 2, mask_index=99)
    ((features, labels),) = list(dataset)
    assert features["items"].numpy().tolist() == [[2, 99, 0], [2, 3, 99]]
    assert labels.numpy().tolist() == [[0, 51, 0], [0, 0, 50]]


@pytest.mark.parametrize(("mask_index", "items"), [(None, [[0], [0]]), (99, [[99, 0], [99, 0]])])
def test_empty_histories_alone_have_a_position_of_padding(mask_index, items):
    dataset = make_question_dataset(
        with_columns(of_lengths(0, 0)),
        np.array([50, 51]),
        4,
        2,
        mask_index=mask_index,
        columns=("actions", "times"),
    )
    ((features, labels),) = list(dataset)
    assert features["items"].numpy().tolist() == items
    assert {each.shape for each in (*features.values(), labels)} == {np.shape(items)}
    assert not labels.numpy().any()  # Nobody is asked about nothing, with a mask neither.


def test_sequences_without_a_question_are_refused():
    with pytest.raises(ValueError, match="must hold one of two events or more"):
        make_sequence_dataset(of_lengths(1, 0), 5, 2, seed=0)


@pytest.mark.parametrize("name", ["max_length", "batch_size"])
def test_sizes_below_one_are_refused(name):
    sizes = {"max_length": 5, "batch_size": 2, name: 0}
    with pytest.raises(ValueError, match=f"`{name}` must be 1 or more, received 0"):
        make_sequence_dataset(of_lengths(3), seed=0, **sizes)


def test_questions_need_an_item_a_history():
    with pytest.raises(ValueError, match="received 1 for 2, 5 and 2"):
        make_question_dataset(of_lengths(3, 3), np.array([4]), 5, 2)
