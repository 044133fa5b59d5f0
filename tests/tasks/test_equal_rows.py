"""Rows are one group where vector and item are the same, and else apart."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.tasks import equal_rows
from recsys_tf.tasks.equal_rows import group_equal_rows

VECTORS = tf.constant([[1.0, 2.0], [1.0, 2.5], [1.0, 2.0], [1.0, 2.0], [1.0, 2.5]])
ITEMS = tf.constant([7, 7, 7, 8, 7])


def test_rows_of_a_group_have_its_vector_and_its_item():
    groups = group_equal_rows(VECTORS, ITEMS)
    assert groups.of_rows.numpy().tolist() == [0, 1, 0, 2, 1]
    assert groups.rows.numpy().tolist() == [0, 1, 3]
    assert groups.counts.numpy().tolist() == [2.0, 2.0, 1.0]


def test_many_rows_are_grouped_as_numpy_groups_them(rng):
    table = rng.normal(size=(40, 5)).astype("float32")
    items = rng.integers(40, size=3000)
    groups = group_equal_rows(tf.constant(table[items]), tf.constant(items, tf.int32))
    _, counts = np.unique(items, return_counts=True)
    assert sorted(groups.counts.numpy()) == sorted(counts)
    np.testing.assert_array_equal(items[groups.rows.numpy()][groups.of_rows.numpy()], items)


def test_not_a_number_equals_itself():
    groups = group_equal_rows(tf.fill([3, 2], float("nan")), tf.constant([7, 7, 7]))
    assert groups.counts.numpy().tolist() == [3.0]


def test_no_rows_make_no_groups():
    groups = group_equal_rows(VECTORS[:0], ITEMS[:0])
    assert [each.shape for each in groups] == [(0,), (0,), (0,)]


@pytest.mark.parametrize("is_graph", [True, False])
def test_unlike_rows_of_one_key_stand_for_themselves(is_graph, monkeypatch):
    monkeypatch.setattr(equal_rows, "_keys", lambda bits: tf.zeros_like(bits[:, 0], tf.int64))
    group = tf.function(group_equal_rows, autograph=False) if is_graph else group_equal_rows
    groups = group(VECTORS, ITEMS)
    for positions in (groups.rows, groups.of_rows):
        assert positions.numpy().tolist() == [0, 1, 2, 3, 4]
    assert groups.counts.numpy().tolist() == [1.0] * 5
