"""What holds of every loss over a table, and what the sampled ones compute."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.tasks import (
    BPR,
    GBCE,
    RETRIEVAL_LOSSES,
    FullSoftmax,
    HardNegatives,
    InBatch,
    MixedNegatives,
    RetrievalTask,
    SampledSoftmax,
    UniformSampler,
    make_retrieval_loss,
    sampled_loss,
)
from recsys_tf.tasks.negative_sampling import Negatives

OPTIONS = {
    "full_softmax": {"temperature": 0.5, "max_scores": 30},
    "in_batch": {"temperature": 0.5, "popularity": [0.0, 0, 1, 2, 3, 4, 5, 6]},
    "sampled_softmax": {"num_negatives": 5, "popularity": [0.0, 0, 1, 2, 3, 4, 5, 6]},
    "mixed_negatives": {"num_negatives": 5, "batch_share": 0.4},
    "gbce": {"num_negatives": 5, "calibration": 0.5},
    "bpr": {"num_negatives": 5},
    "hard_negatives": {"num_hard": 2, "num_candidates": 4, "skip_top": 1, "num_uniform": 3},
}
SAMPLED = sorted(set(RETRIEVAL_LOSSES) - {"full_softmax"})


def make(name):
    return make_retrieval_loss(name, **OPTIONS[name])


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(0)
    return {
        "queries": random.normal(size=(5, 3)).astype("float32"),
        "positives": np.array([2, 3, 7, 0, 1]),
        "table": random.normal(size=(8, 3)).astype("float32"),
        "weights": np.array([1, 2, 0, 1, 1], "float32"),
    }


def run(loss, queries, positives, table, weights=None):
    """Loss and both gradients as arrays; the table a variable, as a model's is."""
    queries, table = tf.convert_to_tensor(queries), tf.Variable(table)
    with tf.GradientTape() as tape:
        tape.watch(queries)
        value = loss(queries, positives, table, weights)
    gradients = tape.gradient(value, [queries, table])
    return value, *(tf.convert_to_tensor(each).numpy() for each in gradients)


def test_every_loss_is_tried_here():
    assert set(OPTIONS) == set(RETRIEVAL_LOSSES)


@pytest.mark.parametrize("name", RETRIEVAL_LOSSES)
def test_padding_unknown_and_weightless_positions_weigh_nothing(name, batch):
    loud = {**batch, "queries": batch["queries"].copy()}
    loud["queries"][2:] = np.nan
    loss, of_queries, of_table = run(make(name), **loud)
    assert np.isfinite(loss)
    assert np.all(of_queries[2:] == 0)
    assert np.all(np.any(of_queries[:2] != 0, axis=1))
    assert np.all(np.isfinite(of_table))
    assert np.all(of_table[:2] == 0)
    assert np.any(of_table[2:] != 0)


@pytest.mark.parametrize("name", RETRIEVAL_LOSSES)
@pytest.mark.parametrize("num_rows", [0, 5])
def test_nothing_that_weighs_gives_zero_and_gradients_of_zero(name, num_rows, batch):
    rows = {**batch, "weights": np.zeros(5, "float32")}
    rows = {key: value if key == "table" else value[:num_rows] for key, value in rows.items()}
    loss, of_queries, of_table = run(make(name), **rows)
    assert float(loss) == 0.0
    assert of_queries.shape == (num_rows, 3)
    assert np.all(of_queries == 0)
    assert np.all(of_table == 0)


# Draws of mixed negatives follow the batch's size, so that those of another batch are others.
@pytest.mark.parametrize("name", [name for name in RETRIEVAL_LOSSES if name != "mixed_negatives"])
def test_loss_is_a_weighted_mean(name, batch):
    # Equal positions that share their negatives have one loss, whatever they weigh.
    same = {
        "queries": np.repeat(batch["queries"][:1], 5, axis=0),
        "positives": np.full(5, 2),
        "table": batch["table"],
    }
    alike = {"bpr": {"is_shared": True}, "hard_negatives": {"num_hard": 3, "num_uniform": 0}}
    losses = []
    for weights in (None, np.array([3, 0, 1, 0, 0.5], "float32")):
        keras.utils.set_random_seed(1)
        loss = make_retrieval_loss(name, **{**OPTIONS[name], **alike.get(name, {})})
        losses.append(float(loss(**same, weights=weights)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("name", RETRIEVAL_LOSSES)
def test_half_precision_queries_are_scored_in_single_precision(name, batch):
    half = {**batch, "queries": tf.cast(batch["queries"], tf.bfloat16)}
    loss, of_queries, _ = run(make(name), **half)
    assert loss.dtype == tf.float32
    assert of_queries.dtype == tf.bfloat16.as_numpy_dtype


@pytest.mark.parametrize("name", RETRIEVAL_LOSSES)
def test_extreme_logits_give_finite_loss_and_gradients(name, batch):
    wide = {**batch, "queries": batch["queries"] * 1e6}
    for each in run(make(name), **wide):
        assert np.all(np.isfinite(each))


@pytest.mark.parametrize("name", SAMPLED)
def test_gradient_of_the_table_is_sparse_in_a_traced_step(name, batch):
    loss, table = make(name), keras.Variable(batch["table"])

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([None], tf.int64)],
    )
    def step(queries, positives):
        with tf.GradientTape() as tape:
            value = loss(queries, positives, table)
        return value, tape.gradient(value, table.value)

    value, gradient = step(batch["queries"], batch["positives"])
    assert isinstance(gradient, tf.IndexedSlices)
    assert np.isfinite(value)
    assert np.all(gradient.indices.numpy() >= 2)


@pytest.mark.parametrize("name", RETRIEVAL_LOSSES)
def test_loss_is_saved_and_loaded(name):
    loss = make(name)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(loaded) is type(loss)
    assert loaded.get_config() == loss.get_config()


class Every:
    """A sampler that draws what it is told."""

    def __init__(self, ids, log_counts=0.0):
        ids = tf.constant(ids, tf.int32)
        self.negatives = Negatives(ids, tf.fill(ids.shape, log_counts))

    def __call__(self, positives, num_rows):
        return self.negatives


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_sampled_softmax_of_all_items_is_the_full_softmax(batch, temperature):
    loss = SampledSoftmax(temperature=temperature)
    loss._sampler = Every(np.arange(2, 8))
    ours, full = (run(each, **batch) for each in (loss, FullSoftmax(temperature)))
    for found, expected in zip(ours, full, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"popularity": [0, 0, 1, 2, 3, 4, 5, 6]}])
@pytest.mark.parametrize("kind", [SampledSoftmax, MixedNegatives])
def test_many_more_draws_than_items_come_to_the_full_softmax(batch, kind, options):
    keras.utils.set_random_seed(0)
    if kind is MixedNegatives and options:
        # The batch's share of a popularity only evens out over batches that follow it.
        positives = np.repeat(np.arange(2, 8), np.arange(1, 7))
        queries = np.repeat(batch["queries"][:1], len(positives), axis=0)
        batch = {"queries": queries, "positives": positives, "table": batch["table"]}
    found = float(kind(num_negatives=200_000, **options)(**batch))
    assert found == pytest.approx(float(FullSoftmax()(**batch)), rel=0.02)


@pytest.mark.parametrize("correction", [0.0, 1.3])
@pytest.mark.parametrize("popularity", [None, [7, 7, 1, 2, 3, 4, 0, 6]], ids=["batch", "given"])
def test_batchs_softmax_is_the_two_towers_loss_over_a_table(batch, popularity, correction):
    positives = np.array([2, 3, 3, 4, 7, 2, 6])
    random = np.random.default_rng(1)
    queries = random.normal(size=(7, 3)).astype("float32")
    weights = random.uniform(0.5, 2, size=7).astype("float32")
    if popularity is None:
        share = np.array([2, 2, 2, 1, 1, 2, 1]) / 7
    else:
        # What was never met counts as the rarest other.
        share = np.array([1, 2, 2, 3, 6, 1, 1]) / 16
    found = run(InBatch(popularity, 0.5, correction), queries, positives, batch["table"], weights)

    def two_towers(queries, positives, table, weights):
        vectors = tf.gather(table, positives)
        task = RetrievalTask(0.5, correction)
        return task.loss(queries, vectors, positives, share.astype("float32"), weights)

    expected = run(two_towers, queries, positives, batch["table"], weights)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_batchs_softmax_by_hand():
    # Items of 0, 1 and 2; a query of 1 that met the first twice, once the second, never the third.
    table, positives = tf.constant([[9.0], [9.0], [0.0], [1.0], [2.0]]), [2, 2, 3]
    queries, e = tf.ones([3, 1]), np.e
    plain = (2 * np.log(1 + e) + np.log(1 + 2 / e)) / 3
    assert float(InBatch(correction=0.0)(queries, positives, table)) == pytest.approx(plain)
    # Divided by shares of 2/3 and 1/3.
    share = (2 * np.log(1 + 2 * e) + np.log(1 + 1 / e)) / 3
    assert float(InBatch()(queries, positives, table)) == pytest.approx(share)
    popularity = [0, 0, 1, 4, 1]
    given = (2 * np.log(1 + e / 4) + np.log(1 + 2 * 4 / e)) / 3
    assert float(InBatch(popularity)(queries, positives, table)) == pytest.approx(given)


def test_accidental_hit_is_no_negative():
    table = tf.constant([[9.0], [9.0], [1.0], [0.5]])
    for loss in (SampledSoftmax(), BPR()):
        loss._sampler = Every([2, 2])
        assert float(loss(tf.constant([[1.0]]), [2], table)) == 0.0
    plain = GBCE(calibration=0.0)
    plain._sampler = Every([2, 2])
    assert float(plain(tf.constant([[1.0]]), [2], table)) == pytest.approx(np.log1p(np.exp(-1)))


# Three items of the vectors 0, 1 and 2; a query of 1 that met the second.
def three_items(loss, ids, log_counts=0.0):
    loss._sampler = Every(ids, log_counts)
    return float(loss(tf.constant([[1.0]]), [3], tf.constant([[9.0], [9.0], [0.0], [1.0], [2.0]])))


@pytest.mark.parametrize("ids", [[2, 4, 4], [[2, 4, 4]]], ids=["shared", "own"])
def test_losses_of_three_items_by_hand(ids):
    e = np.e
    softmax = np.log((e + 0.5 * (1 + 2 * e**2)) / e)
    assert three_items(SampledSoftmax(), ids, np.log(2.0)) == pytest.approx(softmax, rel=1e-6)
    assert three_items(SampledSoftmax(correction=0.0), ids, 9.0) == pytest.approx(
        np.log((e + 1 + 2 * e**2) / e), rel=1e-6
    )
    assert three_items(SampledSoftmax(temperature=0.5), ids) == pytest.approx(
        np.log((e**2 + 1 + 2 * e**4) / e**2), rel=1e-6
    )
    bpr = (np.log1p(1 / e) + 2 * np.log1p(e)) / 3
    assert three_items(BPR(), ids) == pytest.approx(bpr, rel=1e-6)
    # One negative of two others is a sampling rate of 1/2: beta = 1 - 0.5 * (1 - 0.5).
    gbce = (0.75 * np.log1p(1 / e) + np.log(2) + 2 * np.log1p(e**2)) / 4
    found = three_items(GBCE(num_negatives=1, calibration=0.5), ids)
    assert found == pytest.approx(gbce, rel=1e-6)


def test_scores_of_own_and_shared_negatives_agree():
    random = np.random.default_rng(0)
    queries, table = tf.constant(random.normal(size=(4, 3))), random.normal(size=(6, 3))
    queries, table = tf.cast(queries, tf.float32), tf.constant(table, tf.float32)
    ids = tf.constant([5, 2, 2])
    shared = sampled_loss.score(queries, table, ids)
    own = sampled_loss.score(queries, table, tf.tile(ids[tf.newaxis], [4, 1]))
    np.testing.assert_allclose(shared, own, rtol=1e-6)
    np.testing.assert_allclose(shared, queries.numpy() @ table.numpy()[[5, 2, 2]].T, rtol=1e-5)


def test_rows_that_are_not_known_are_refused_where_they_are_needed():
    for loss in (GBCE(), HardNegatives()):
        traced = tf.function(loss, autograph=False)
        with pytest.raises(ValueError, match="`table` must have a known number of rows"):
            traced.get_concrete_function(
                tf.TensorSpec([None, 3]),
                tf.TensorSpec([None], tf.int32),
                tf.TensorSpec([None, 3]),
            )


def test_unknown_names_and_options_are_told_with_the_nearest():
    with pytest.raises(ValueError, match="received 'gbc'. Did you mean 'gbce'?"):
        make_retrieval_loss("gbc")
    with pytest.raises(ValueError, match="received 'temprature'. Did you mean 'temperature'?"):
        make_retrieval_loss("gbce", temprature=1.0)


@pytest.mark.parametrize("name", RETRIEVAL_LOSSES)
def test_temperature_must_be_above_zero(name):
    with pytest.raises(ValueError, match="`temperature` must be above 0, received 0"):
        make_retrieval_loss(name, temperature=0)


@pytest.mark.parametrize(
    ("make_loss", "message"),
    [
        (lambda: GBCE(calibration=2), "`calibration` must be from 0 to 1, received 2"),
        (lambda: SampledSoftmax(correction=-1), "`correction` must be 0 or above, received -1"),
        (lambda: InBatch(correction=-1), "`correction` must be 0 or above, received -1"),
        (
            lambda: InBatch([0, 0, 1])(tf.ones([1, 1]), [2], tf.ones([4, 1])),
            "`popularity` must have one number a row of the table, 4 with .* received 3",
        ),
        (lambda: UniformSampler(0), "`num_negatives` must be 1 or above"),
    ],
)
def test_values_out_of_range_are_refused(make_loss, message):
    with pytest.raises(ValueError, match=message):
        make_loss()


@pytest.mark.parametrize(
    ("queries", "table", "message"),
    [
        ([2, 4, 3], [8, 3], "`queries` must be .M, D. .* Flatten"),
        ([2, 3], [8, 4], "of the same D, received the shapes"),
        ([2, 3], [2, 3], "`table` must have an item .* received the shape"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(queries, table, message):
    with pytest.raises(ValueError, match=message):
        BPR()(tf.ones(queries), [2, 2], tf.ones(table))
