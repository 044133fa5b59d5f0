"""What losses over a table, calibrations and rerankers keep, whatever they compute.

Configurations, empty batches and saved graphs are in the tests of their own folders.
"""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.naming import known_arguments
from recsys_tf.reranking import RERANKERS
from recsys_tf.score_fusion import CALIBRATIONS, fit_calibration
from recsys_tf.tasks import RETRIEVAL_LOSSES, make_retrieval_loss

NUM_ITEMS, WIDTH = 9, 4
every_loss = pytest.mark.parametrize("name", RETRIEVAL_LOSSES)


def spread(shape, minval=0, maxval=None, dtype=tf.float32, **_):
    """Stands for `tf.random.uniform`: the same numbers in each row, spread over the range."""
    dtype = tf.as_dtype(dtype)
    maxval = 1 if maxval is None else maxval
    num_drawn = tf.convert_to_tensor(shape)[-1]
    share = (tf.cast(tf.range(num_drawn), tf.float64) + 0.5) / tf.cast(num_drawn, tf.float64)
    low, high = tf.cast(minval, tf.float64), tf.cast(maxval, tf.float64)
    return tf.cast(tf.broadcast_to(low + share * (high - low), shape), dtype)


@pytest.fixture
def loss(name, monkeypatch):
    """The loss of that name, of known draws out of a small table."""
    monkeypatch.setattr(tf.random, "uniform", spread)
    small = {"num_negatives": 5, "num_hard": 2, "num_candidates": 4, "skip_top": 1}
    return make_retrieval_loss(name, **known_arguments(RETRIEVAL_LOSSES[name], small))


@pytest.fixture
def batch(rng):
    queries = rng.normal(size=(6, WIDTH)).astype("float32")
    table = rng.normal(size=(NUM_ITEMS, WIDTH)).astype("float32")
    weights = np.array([1, 2, 1, 0, 1, 3], "float32")
    return queries, np.array([2, 3, 8, 4, 5, 2]), table, weights


@every_loss
def test_loss_of_a_traced_step_is_the_eager_one(batch, loss):
    given = [tf.constant(each) for each in batch]
    eager = loss(*given)
    found = tf.function(loss.__call__, autograph=False)(*given)
    np.testing.assert_allclose(found, eager, rtol=1e-5, atol=1e-6)


# What is drawn of mixed negatives are places in the batch.
@pytest.mark.parametrize("name", [name for name in RETRIEVAL_LOSSES if name != "mixed_negatives"])
def test_order_of_the_positions_does_not_matter(batch, loss):
    queries, positives, table, weights = batch
    order = np.array([3, 5, 0, 2, 1, 4])
    found = loss(queries[order], positives[order], table, weights[order])
    np.testing.assert_allclose(found, loss(*batch), rtol=1e-5)


@every_loss
def test_position_alone_is_that_beside_others_that_weigh_nothing(batch, loss):
    queries, positives, table, _ = batch
    alone = loss(queries[:1], positives[:1], table, np.ones(1, "float32"))
    weights = np.eye(6, dtype="float32")[0]
    beside = loss(queries, positives, table, weights)
    assert np.isfinite(float(alone))
    np.testing.assert_allclose(alone, beside, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_calibrated_rows_do_not_know_of_each_other(name, rng):
    chance, scenarios = rng.random(600), np.arange(600) % 2
    calibration = fit_calibration(name, chance, rng.random(600) < chance**2, scenarios)
    asked, own = rng.random((5, 3)).astype("float32"), np.array([0, 1, 0, -1, 1])
    together = calibration(asked, own).numpy()
    order = np.array([4, 2, 0, 1, 3])
    np.testing.assert_allclose(calibration(asked[order], own[order]), together[order], rtol=1e-6)
    for row in range(5):
        alone = calibration(asked[row : row + 1], own[row : row + 1])
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-6)


@pytest.mark.parametrize("name", RERANKERS)
def test_candidates_in_another_order_make_the_same_list(name, rng):
    relevance = rng.permutation(20)[None].astype("float32")
    vectors = rng.normal(size=(1, 20, 6)).astype("float32")
    order = rng.permutation(20)
    wanted = RERANKERS[name](relevance, vectors, 8, 0.4).numpy()
    found = RERANKERS[name](relevance[:, order], vectors[:, order], 8, 0.4).numpy()
    np.testing.assert_array_equal(order[found], wanted)
