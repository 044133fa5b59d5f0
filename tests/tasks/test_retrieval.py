"""The retrieval task equals its NumPy twin."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.tasks import FullSoftmax, RetrievalTask, retrieval
from recsys_tf.tasks.tfrs import tfrs


def numpy_twin(query, candidate, items, probability, weight, temperature, correction):
    scores = query @ candidate.T / temperature - correction * np.log(probability)[None, :]
    is_accident = (items[:, None] == items[None, :]) & ~np.eye(len(items), dtype=bool)
    scores[is_accident] = -1e30
    largest = scores.max(axis=1, keepdims=True)
    log_sum = largest[:, 0] + np.log(np.exp(scores - largest).sum(axis=1))
    return float(np.sum(weight * (log_sum - np.diag(scores))) / weight.sum())


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    return {
        "query_embeddings": random.normal(size=(6, 3)).astype("float32"),
        "candidate_embeddings": random.normal(size=(6, 3)).astype("float32"),
        "item_indices": np.array([2, 3, 3, 4, 5, 2]),
        "sampling_probability": np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.3], "float32"),
        "sample_weight": np.array([1, 1, 0, 2, 1, 1], "float32"),
    }


@pytest.mark.parametrize("temperature", [1.0, 0.1])
@pytest.mark.parametrize("correction", [0.0, 0.5, 1.0])
def test_loss_equals_the_numpy_twin(batch, temperature, correction):
    loss = RetrievalTask(temperature, correction).loss(**batch)
    expected = numpy_twin(*batch.values(), temperature, correction)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("correction", [1.0, 1.3, 2.0])
def test_rare_items_are_corrected_by_their_own_probability(batch, correction):
    # One and ten rows of ten million.
    batch["sampling_probability"] = np.array([0.3, 1e-7, 1e-7, 1e-6, 0.1, 0.3], "float32")
    loss = RetrievalTask(1.0, correction).loss(**batch)
    expected = numpy_twin(*batch.values(), 1.0, correction)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_probabilities_of_zero_give_finite_loss_and_gradients(batch, dtype):
    batch["sampling_probability"] = tf.cast([0.3, 0.0, 0.0, 1e-7, 0.1, 0.3], dtype)
    query = tf.Variable(batch.pop("query_embeddings"))
    with tf.GradientTape() as tape:
        loss = RetrievalTask(0.05, 2.0).loss(query, **batch)
    assert np.isfinite(loss)
    assert np.isfinite(tape.gradient(loss, query)).all()


@pytest.mark.parametrize("correction", [1.0, 1.3, 2.0])
def test_rare_item_has_the_loss_over_the_catalogue(correction):
    # Each item as often as in the data, and the one asked for once: then the softmax of the batch
    # is that of the catalogue, less `a - 1` logarithms.
    random = np.random.default_rng(0)
    counts = np.array([1, 999, 2000])
    items = np.repeat(np.arange(2, 5), counts)
    table = random.normal(size=(5, 3)).astype("float32")
    query = random.normal(size=(1, 3)).astype("float32")
    probability = (counts / counts.sum()).astype("float32")
    found = RetrievalTask(0.5, correction).loss(
        np.repeat(query, len(items), axis=0),
        table[items],
        items,
        np.repeat(probability, counts),
        np.eye(1, len(items), dtype="float32")[0],
    )
    biases = np.append([0, 0], (1 - correction) * np.log(probability)).astype("float32")
    expected = FullSoftmax(temperature=0.5)(query, [2], table, biases=biases)
    assert float(found) == pytest.approx(float(expected), rel=1e-4)


def test_loss_is_a_mean_and_not_a_sum(batch):
    twice = {
        name: np.concatenate([value, value + 100 * (name == "item_indices")])
        for name, value in batch.items()
    }
    # Twice the batch doubles the negatives: the loss grows by about log 2, not by a factor of 2.
    difference = RetrievalTask().loss(**twice) - RetrievalTask().loss(**batch)
    assert float(difference) == pytest.approx(np.log(2), abs=0.2)


def test_row_of_weight_zero_gives_its_query_no_gradient(batch):
    query = tf.Variable(batch.pop("query_embeddings"))
    with tf.GradientTape() as tape:
        loss = RetrievalTask().loss(query, **batch)
    gradient = tape.gradient(loss, query).numpy()
    assert np.all(gradient[2] == 0)
    assert np.all(np.any(gradient[[0, 1, 3, 4, 5]] != 0, axis=1))


def test_batch_of_one_has_no_negative_and_no_loss(batch):
    one = {name: value[:1] for name, value in batch.items()}
    assert float(RetrievalTask().loss(**one)) == 0.0


def test_batch_without_rows_has_loss_and_gradients_of_nothing(batch):
    nobody = {name: tf.constant(value[:0]) for name, value in batch.items()}
    with tf.GradientTape() as tape:
        tape.watch(nobody["query_embeddings"])
        loss = RetrievalTask().loss(**nobody)
    assert float(loss) == 0.0
    assert tape.gradient(loss, nobody["query_embeddings"]).shape == (0, 3)


def test_batch_without_weight_has_loss_zero(batch):
    batch["sample_weight"] = np.zeros(6, "float32")
    assert float(RetrievalTask().loss(**batch)) == 0.0


def test_half_precision_embeddings_are_scored_in_single_precision(batch):
    half = dict(batch)
    for name in ("query_embeddings", "candidate_embeddings"):
        half[name] = tf.cast(batch[name], tf.bfloat16)
    loss = RetrievalTask().loss(**half)
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(float(RetrievalTask().loss(**batch)), rel=0.02)


def test_loss_is_traced_without_autograph(batch):
    task = RetrievalTask()
    traced = tf.function(lambda: task.loss(**batch), autograph=False)
    assert float(traced()) == pytest.approx(float(task.loss(**batch)), rel=1e-6)


@pytest.mark.parametrize("num_different", [6, 13], ids=["by item", "by row"])
@pytest.mark.parametrize("block_scores", [1, 30, 2**20])
def test_blocks_give_the_loss_and_the_gradients_of_the_tfrs_task(
    block_scores, num_different, monkeypatch
):
    monkeypatch.setattr(retrieval, "_BLOCK_SCORES", block_scores)
    random = np.random.default_rng(1)
    items = random.integers(6, size=13)
    probability = random.uniform(0.01, 0.3, size=6)[items]
    candidates = random.normal(size=(num_different, 3))[items if num_different == 6 else ...]
    embeddings = [
        tf.constant(each, tf.float32) for each in (random.normal(size=(13, 3)), candidates)
    ]
    weight = random.uniform(size=13).astype("float32")
    peer = tfrs.tasks.Retrieval(temperature=0.5, remove_accidental_hits=True)
    answers = []
    for is_ours in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            if is_ours:
                probability = probability.astype("float32")
                loss = RetrievalTask(0.5, 1.0).loss(*embeddings, items, probability, weight)
            else:
                loss = peer(
                    *embeddings,
                    sample_weight=weight,
                    candidate_sampling_probability=probability,
                    candidate_ids=items,
                )
                loss = loss / weight.sum()
        answers.append([loss, *tape.gradient(loss, embeddings)])
    for ours, expected in zip(*answers, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


def test_loss_is_exact_where_the_own_probability_vanishes():
    query = np.array([[40.0, 0.0], [0.0, 40.0]], "float32")
    even = np.full(2, 0.5, "float32")
    with tf.GradientTape() as tape:
        candidate = tf.constant([[0.0, 5.0], [5.0, 0.0]])
        tape.watch(candidate)
        loss = RetrievalTask().loss(query, candidate, [2, 3], even, np.ones(2, "float32"))
    assert float(loss) == pytest.approx(200.0)
    np.testing.assert_allclose(
        tape.gradient(loss, candidate), [[-20.0, 20.0], [20.0, -20.0]], atol=1e-5
    )
