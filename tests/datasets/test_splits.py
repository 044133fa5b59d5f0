import numpy as np
import pandas as pd
import pytest

from recsys_tf.config import DataConfig
from recsys_tf.datasets import (
    Interactions,
    Split,
    check_no_leak,
    load_synthetic,
    make_split,
    split_by_time,
    split_last_out,
    split_random,
)


def events_of(stamps, users=None, items=None):
    n = len(stamps)
    return pd.DataFrame(
        {
            "user_id": list(users) if users else ["u"] * n,
            "item_id": list(items) if items else [f"i{row}" for row in range(n)],
            "timestamp": stamps,
        }
    )


def rows_of(split):
    return tuple(getattr(split, part).tolist() for part in ("train", "validation", "test"))


def test_time_split_cuts_the_order_of_time_not_of_rows():
    split = split_by_time(events_of([9, 1, 8, 2, 7, 3, 6, 4, 5, 0]), 0.2, 0.25)
    assert rows_of(split) == ([1, 3, 5, 7, 8, 9], [4, 6], [0, 2])


def test_time_split_keeps_rows_of_one_second_together():
    split = split_by_time(events_of([1, 2, 3, 4, 5, 5, 5, 5, 5, 5]), 0.2, 0.25)
    assert rows_of(split) == ([0, 1, 2], [3], [4, 5, 6, 7, 8, 9])


def test_last_out_takes_the_last_two_of_each_user():
    events = events_of([1, 2, 3, 9, 7, 8, 5, 6, 4], users="aaabbbccd")
    assert rows_of(split_last_out(events)) == ([0, 4, 6, 8], [1, 5], [2, 3, 7])


def test_last_out_breaks_ties_by_the_order_of_the_file():
    assert rows_of(split_last_out(events_of([5, 5, 5], users="aaa"))) == ([0], [1], [2])


def test_random_split_takes_the_end_of_the_permutation_for_the_test():
    order = np.random.default_rng(42).permutation(1000)
    split = split_random(events_of(range(1000)), 0.2, 0.1, seed=42)
    np.testing.assert_array_equal(split.test, np.sort(order[800:]))
    np.testing.assert_array_equal(split.validation, np.sort(order[720:800]))
    np.testing.assert_array_equal(split.train, np.sort(order[:720]))


@pytest.mark.parametrize("method", ["time", "last_out", "random"])
def test_made_split_holds_each_row_once_and_passes_its_leak_test(method):
    data = load_synthetic(num_users=40, num_items=60, num_events=600)
    split = make_split(data, DataConfig(split=method))
    assert split.method == method
    rows = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(data)))
    check_no_leak(data.events, split)


@pytest.mark.parametrize(("test_share", "validation_share"), [(0.0, 0.1), (1.0, 0.1), (0.2, -1)])
@pytest.mark.parametrize("split", [split_by_time, split_random])
def test_share_outside_0_and_1_is_refused(split, test_share, validation_share):
    with pytest.raises(ValueError, match="_share` must lie between 0 and 1, received"):
        split(events_of(range(10)), test_share, validation_share)


@pytest.mark.parametrize(
    ("split", "stamps"),
    [(split_by_time, []), (split_by_time, [7] * 9), (split_random, [1, 2]), (split_last_out, [3])],
)
def test_split_that_leaves_a_part_without_rows_is_refused(split, stamps):
    with pytest.raises(ValueError, match="split leaves no row for "):
        split(events_of(stamps))


def test_time_split_of_a_data_set_without_a_clock_is_refused():
    data = load_synthetic(num_users=40, num_items=60, num_events=600)
    data = Interactions(data.schema, data.events, data.users, data.items, is_time_comparable=False)
    with pytest.raises(ValueError, match=r"must not be 'time' .* use 'last_out' or 'random'"):
        make_split(data, DataConfig(split="time"))
    assert make_split(data, DataConfig(split="last_out")).method == "last_out"


def split_of(method, *parts):
    return Split(*(np.array(part, dtype=np.int64) for part in parts), method)


def test_leak_test_finds_a_training_row_of_the_future():
    with pytest.raises(ValueError, match=r"last train row \(timestamp 4\) is not before the first"):
        check_no_leak(events_of([1, 4, 3, 5]), split_of("time", [0, 1], [2], [3]))


def test_leak_test_finds_a_shared_second():
    with pytest.raises(ValueError, match=r"last validation row \(timestamp 3\) is not before"):
        check_no_leak(events_of([1, 2, 3, 3]), split_of("time", [0, 1], [2], [3]))


def test_leak_test_finds_a_later_row_of_the_same_user():
    events = events_of([1, 2, 3, 9], users="aaab")
    check_no_leak(events, split_of("last_out", [0, 3], [1], [2]))
    with pytest.raises(ValueError, match=r"row 2 \(timestamp 3\) is in validation, although an"):
        check_no_leak(events, split_of("last_out", [0, 3], [2], [1]))


def test_leak_test_finds_the_same_event_in_two_parts():
    events = events_of([1, 1, 2, 3], items="xxyz")
    with pytest.raises(ValueError, match=r"event of row 1 .* stands in test and in train"):
        check_no_leak(events, split_of("random", [0, 2], [3], [1]))


def test_leak_test_finds_a_row_that_is_missing_or_twice():
    events = events_of([1, 2, 3, 4])
    with pytest.raises(ValueError, match="row 3 stands in it 0 times"):
        check_no_leak(events, split_of("random", [0], [1], [2]))
    with pytest.raises(ValueError, match="row 2 stands in it 2 times"):
        check_no_leak(events, split_of("random", [0, 2], [1], [2, 3]))
    with pytest.raises(ValueError, match=r"positions in \[0, 4\), received 4"):
        check_no_leak(events, split_of("random", [0, 1], [2], [4]))
    with pytest.raises(ValueError, match=r"positions in \[0, 4\), received -1"):
        check_no_leak(events, split_of("random", [0, 1], [2], [-1]))
