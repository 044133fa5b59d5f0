"""The index finds what a sort over all dot products finds."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.retrieval import CandidateIndex

IDS = ["a", "b", "c", "d"]
EMBEDDINGS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]], "float32")


@pytest.fixture(scope="module")
def index():
    return CandidateIndex(EMBEDDINGS, IDS)


def names(rows):
    return [[IDS[row] for row in each] for each in rows.numpy()]


def test_best_first(index):
    scores, rows = index.top(tf.constant([[2.0, 1.0]]), tf.constant([[""]]), 3)
    assert names(rows) == [["c", "a", "b"]]
    np.testing.assert_allclose(scores, [[3.0, 2.0, 1.0]])


def test_seen_items_come_last(index):
    _, rows = index.top(tf.constant([[2.0, 1.0]]), tf.constant([["c", "a", "unheard of"]]), 4)
    assert names(rows)[0][:2] == ["b", "d"]


def test_each_row_has_its_own_seen_items(index):
    mask = index.seen_mask(tf.constant([["a", ""], ["b", "b"]]))
    np.testing.assert_array_equal(mask, [[True, False, False, False], [False, True, False, False]])


def test_more_than_there_are_gives_all(index):
    assert index.top(tf.constant([[2.0, 1.0]]), tf.constant([[""]]), 99)[1].shape == (1, 4)


def test_no_queries_and_no_history(index):
    assert index.top(tf.zeros([0, 2]), tf.zeros([0, 0], tf.string), 2)[1].shape == (0, 2)


@pytest.mark.parametrize(
    ("embeddings", "ids", "message"),
    [
        (EMBEDDINGS, ["a"], "one row for each of `item_ids`"),
        (EMBEDDINGS[:0], [], "N above 0"),
        (EMBEDDINGS, ["a", "a", "b", "c"], "must all be different"),
    ],
)
def test_faulty_catalogue_is_refused(embeddings, ids, message):
    with pytest.raises(ValueError, match=message):
        CandidateIndex(embeddings, ids)
