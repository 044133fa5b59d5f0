"""Hard negatives: what is mined, when the index is made anew, and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.tasks import HardNegatives

# Items 2 to 7 score 5, 4, 3, 2, 1, 0.
RANKED = np.array([[9.0], [9.0], [5.0], [4.0], [3.0], [2.0], [1.0], [0.0]], "float32")


def test_hard_negatives_are_the_best_others_after_the_skipped():
    # Of the others of item 3, by rank: 2, 4, 5, 6, 7. Ranks 1 and 2: items 4 and 5, of 3 and 2.
    loss = HardNegatives(num_hard=2, num_candidates=3, skip_top=1, num_uniform=0)
    found = float(loss(tf.constant([[1.0]]), [3], tf.constant(RANKED)))
    assert found == pytest.approx(np.log(1 + np.exp(-1) + np.exp(-2)), rel=1e-6)


def test_hard_negatives_are_drawn_from_all_candidates_without_repetition():
    keras.utils.set_random_seed(0)
    loss = HardNegatives(num_hard=2, num_candidates=4, skip_top=1, num_uniform=0)
    table = tf.Variable(RANKED)
    with tf.GradientTape() as tape:
        value = loss(tf.ones([200, 1]), np.full(200, 3), table)
    rows = tape.gradient(value, table).indices.numpy()
    assert set(rows) == {3, 4, 5, 6}
    mined = loss._mine(tf.ones([200, 1]), tf.fill([200], 3)).numpy()
    assert np.all(mined[:, 0] != mined[:, 1])


def test_index_is_mined_in_blocks(monkeypatch):
    loss = HardNegatives(num_hard=1, num_candidates=1, skip_top=0, num_uniform=0)
    positives = np.array([2, 3, 4, 2, 2])
    for size in (1, 12, 2**24):
        monkeypatch.setattr("recsys_tf.tasks.hard_negatives._MAX_SCORES", size)
        loss(tf.ones([5, 1]), positives, tf.constant(RANKED))
        mined = loss._mine(tf.ones([5, 1]), tf.constant(positives, tf.int32))
        assert mined.numpy()[:, 0].tolist() == [3, 2, 2, 3, 3]


def test_index_is_refreshed_every_so_many_calls():
    table = tf.Variable(RANKED)
    loss = HardNegatives(1, num_candidates=1, skip_top=0, num_uniform=0, refresh_every=2)
    step = tf.function(lambda: loss(tf.ones([1, 1]), [7], table), autograph=False)
    by_item_2 = float(step())
    assert by_item_2 == pytest.approx(np.log1p(np.exp(5)), rel=1e-6)
    # Item 6 is now the best; the index learns it at the third call.
    table.assign(RANKED + 10 * np.eye(8, dtype="float32")[:, 6:7])
    assert float(step()) == pytest.approx(by_item_2, rel=1e-6)
    assert float(step()) == pytest.approx(np.log1p(np.exp(11)), rel=1e-6)


def ask(loss, table, training):
    return float(loss(tf.ones([1, 1]), [7], table, training=training))


def test_index_is_refreshed_by_calls_of_training_alone():
    table = tf.Variable(RANKED)
    loss = HardNegatives(1, num_candidates=1, skip_top=0, num_uniform=0, refresh_every=2)
    by_item_2 = ask(loss, table, training=False)  # The first call of all makes the index.
    assert by_item_2 == pytest.approx(np.log1p(np.exp(5)), rel=1e-6)
    table.assign(RANKED + 10 * np.eye(8, dtype="float32")[:, 6:7])
    for training in (False, False, True, False, False, True, False):
        assert ask(loss, table, training) == pytest.approx(by_item_2, rel=1e-6)
    assert ask(loss, table, training=True) == pytest.approx(np.log1p(np.exp(11)), rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_forgotten_index_is_made_at_the_next_call(training):
    table = tf.Variable(RANKED)
    loss = HardNegatives(1, num_candidates=1, skip_top=0, num_uniform=0)
    loss.forget()  # Nothing was kept yet.
    ask(loss, table, training=True)
    table.assign(RANKED + 10 * np.eye(8, dtype="float32")[:, 6:7])
    loss.forget()
    assert ask(loss, table, training) == pytest.approx(np.log1p(np.exp(11)), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "rows", "message"),
    [
        ({}, 8, "`num_candidates` must be at most the number of items less one, 5, received 100"),
        (
            {"num_candidates": 20},
            8,
            "`num_candidates` must be `skip_top` .* above, 26, received 20",
        ),
        ({"num_hard": 0}, 8, "`num_hard` must be 1 or above, received 0"),
        ({"refresh_every": 0}, 8, "`refresh_every` must be 1 or above, received 0"),
        ({"skip_top": -1}, 8, "`skip_top` must be 0 or above, received -1"),
        ({"num_uniform": -1}, 8, "`num_uniform` must be 0 or above, received -1"),
    ],
)
def test_hard_negatives_refuse_what_cannot_be_mined(options, rows, message):
    with pytest.raises(ValueError, match=message):
        HardNegatives(**options)(tf.ones([1, 1]), [2], tf.ones([rows, 1]))


def test_hard_negatives_keep_to_one_table():
    loss = HardNegatives(1, num_candidates=2, skip_top=0)
    loss(tf.ones([1, 1]), [2], tf.ones([8, 1]))
    with pytest.raises(ValueError, match=r"shape of the index, \(8, 1\), received \(9, 1\)"):
        loss(tf.ones([1, 1]), [2], tf.ones([9, 1]))
