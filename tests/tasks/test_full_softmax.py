"""The softmax over the whole table equals its NumPy twin, however it is cut into blocks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.tasks.full_softmax import FullSoftmax

# 11 rows, of whose positions 9 weigh: by items in blocks of 1, 7 and all, and by queries.
BLOCKS = [1, 13, 70, 11 * 128 - 1, 11 * 128, 2**24]


@pytest.fixture(scope="module")
def twin(load_reference):
    return load_reference("retrieval_losses").full_softmax


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(0)
    return {
        "queries": random.normal(size=(13, 3)).astype("float32"),
        "positives": np.array([2, 3, 10, 4, 2, 2, 0, 7, 1, 9, 5, 10, 6]),
        "table": random.normal(size=(11, 3)).astype("float32"),
        "weights": np.array([1, 2, 0.5, 0, 1, 1, 1, 1, 3, 1, 0, 1, 2], "float32"),
    }


def loss_and_gradients(loss, batch):
    queries, table = tf.constant(batch["queries"]), tf.Variable(batch["table"])
    with tf.GradientTape() as tape:
        tape.watch(queries)
        value = loss(queries, batch["positives"], table, batch["weights"])
    return float(value), *(np.array(each) for each in tape.gradient(value, [queries, table]))


@pytest.mark.parametrize("temperature", [1.0, 0.2])
@pytest.mark.parametrize("max_scores", BLOCKS)
def test_loss_and_gradients_equal_the_naive_ones_for_any_block(
    batch, twin, max_scores, temperature
):
    ours = loss_and_gradients(FullSoftmax(temperature, max_scores), batch)
    for found, expected in zip(ours, twin(**batch, temperature=temperature), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_blocks_of_queries_join_to_the_whole(batch, twin, monkeypatch):
    for size in (1, 4, 13):
        monkeypatch.setattr("recsys_tf.tasks.full_softmax._CACHED_SCORES", 11 * size)
        monkeypatch.setattr("recsys_tf.tasks.full_softmax._MIN_BLOCK", 1)
        ours = loss_and_gradients(FullSoftmax(), batch)
        for found, expected in zip(ours, twin(**batch), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("max_scores", [1, 11 * 128])
def test_no_block_makes_more_scores_than_are_allowed(batch, monkeypatch, max_scores):
    monkeypatch.setattr("recsys_tf.tasks.full_softmax._MIN_BLOCK", 1)
    monkeypatch.setattr("recsys_tf.tasks.full_softmax._CACHED_SCORES", 2**24)
    sizes, matmul = [], tf.matmul

    def recorded(*args, **kwargs):
        product = matmul(*args, **kwargs)
        sizes.append(tf.size(product).numpy() if kwargs.get("transpose_b") else 0)
        return product

    monkeypatch.setattr(tf, "matmul", recorded)
    FullSoftmax(max_scores=max_scores)(**batch)
    # At least one row of scores is made: 9 positions weigh.
    assert 0 < max(sizes) <= max(max_scores, 9)


def test_biases_are_added_and_learned(batch, twin):
    biases = tf.Variable(np.linspace(-1, 1, 11), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = FullSoftmax(0.5)(**batch, biases=biases)
    column = np.full((13, 1), 0.5)
    wide = {
        **batch,
        "queries": np.hstack([batch["queries"], column]),
        "table": np.hstack([batch["table"], biases.numpy()[:, None]]),
    }
    expected, _, of_table = twin(**wide, temperature=0.5)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, biases), of_table[:, -1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("max_scores", [1, 2**24])
@pytest.mark.parametrize("scale", [1e3, 1e18])
def test_extreme_logits_stay_finite(batch, twin, max_scores, scale):
    wide = {**batch, "queries": batch["queries"] * scale}
    ours = loss_and_gradients(FullSoftmax(max_scores=max_scores), wide)
    for found, expected in zip(ours, twin(**wide), strict=True):
        assert np.all(np.isfinite(found))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * scale)


def test_table_of_one_item_has_no_loss(batch):
    one = {**batch, "table": batch["table"][:3], "positives": np.full(13, 2)}
    value, of_queries, of_table = loss_and_gradients(FullSoftmax(), one)
    assert value == 0.0
    np.testing.assert_allclose(of_queries, 0, atol=1e-7)
    np.testing.assert_allclose(of_table, 0, atol=1e-6)


@pytest.mark.parametrize("max_scores", [1, 2**24])
def test_it_is_traced_without_autograph_and_with_an_unknown_batch_size(batch, twin, max_scores):
    table = keras.Variable(batch["table"])
    loss = FullSoftmax(max_scores=max_scores)

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None, 3]),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None]),
        ],
    )
    def step(queries, positives, weights):
        with tf.GradientTape() as tape:
            value = loss(queries, positives, table, weights)
        return value, tape.gradient(value, table.value)

    value, of_table = step(batch["queries"], batch["positives"], batch["weights"])
    expected, _, expected_of_table = twin(**batch)
    assert float(value) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(of_table, expected_of_table, rtol=1e-5, atol=1e-6)


def test_table_of_unknown_length_is_taken_by_its_rows(batch, twin):
    traced = tf.function(FullSoftmax(), input_signature=None)
    step = traced.get_concrete_function(
        tf.TensorSpec([None, 3]),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, 3]),
        tf.TensorSpec([None]),
    )
    arguments = [tf.constant(each, tf.float32) for each in batch.values()]
    arguments[1] = tf.constant(batch["positives"], tf.int32)
    assert float(step(*arguments)) == pytest.approx(twin(**batch)[0], rel=1e-6)


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`temperature` must be above 0, received 0"):
        FullSoftmax(temperature=0)
    with pytest.raises(ValueError, match="`max_scores` must be 1 or above, received 0"):
        FullSoftmax(max_scores=0)
