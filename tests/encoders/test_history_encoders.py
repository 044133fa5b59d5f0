"""Histories: their items, ratings and dropped events."""

import keras
import numpy as np
import pytest
from keras import ops

from recsys_tf import schema
from recsys_tf.config import ModelConfig
from recsys_tf.encoders import (
    HISTORY_BLOCKS,
    HISTORY_ENCODERS,
    BagHistoryEncoder,
    HistoryEncoder,
    IdEncoder,
    make_encoder,
)
from recsys_tf.layers import MaskedMeanPooling
from recsys_tf.naming import known_arguments
from recsys_tf.sequences import SEQUENCE_ENCODERS

ITEM = schema.IdFeature(name="item_id", side="item")


HISTORY = schema.HistoryFeature(name="history", side="user", of="item_id", values_name="ratings")


NUM_INDICES = {"item_id": 30, "genres": 9}


CONFIG = ModelConfig(embedding_dim=4)


TOLD = schema.HistoryFeature(
    name="history",
    side="user",
    of="item_id",
    times_name="moments",
    actions_name="kinds",
    actions=("buy", "view"),
    action_column="kind",
)


def test_history_equals_the_twin(twin, rng):
    encoder = HistoryEncoder(IdEncoder(20, 4), MaskedMeanPooling(), has_values=True)
    ids = rng.integers(0, 20, (8, 6)) * (rng.random((8, 6)) < 0.6)
    ids[0] = 0
    values = rng.integers(0, 6, (8, 6)).astype("float32")
    values[1] = 0
    encoder(ids, values)
    encoder.statistics_kernel.assign(rng.normal(size=(2, 4)))
    wanted = twin.history(
        ids,
        values,
        ops.convert_to_numpy(encoder.item_encoder.embedding.embeddings),
        ops.convert_to_numpy(encoder.values_kernel),
        ops.convert_to_numpy(encoder.statistics_kernel),
    )
    found = ops.convert_to_numpy(encoder(ids, values))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[0], np.zeros(4))


def test_kinds_and_times_are_added_to_the_items(rng):
    encoder = make_encoder(TOLD, NUM_INDICES, CONFIG.model_copy(update={"history_encoder": "mean"}))
    ids, kinds = np.array([[3, 0, 5, 3]]), np.array([[2, 3, 3, 0]])
    times = np.array([[100, 0, 100, 109]])  # Gaps of no event, padding, none, and 2^3 seconds.
    found = ops.convert_to_numpy(encoder(ids, actions=kinds, times=times))
    items, of_kinds, gaps = (
        ops.convert_to_numpy(table)
        for table in (
            encoder.item_encoder.table,
            encoder.event_encoder.action_table.embeddings,
            encoder.event_encoder.gap_table.embeddings,
        )
    )
    rows = items[[3, 5, 3]] + of_kinds[[2, 3, 0]] + gaps[[0, 1, 5]]
    np.testing.assert_allclose(found[0], rows.mean(axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in HISTORY_ENCODERS if name != "bag"])
def test_every_encoder_reads_kinds_and_times(rng, name):
    encoder = make_encoder(TOLD, NUM_INDICES, CONFIG.model_copy(update={"history_encoder": name}))
    ids, kinds, times = np.array([[3, 5, 7]]), np.array([[2, 3, 2]]), np.array([[10, 20, 30]])
    vectors = [
        ops.convert_to_numpy(encoder(ids, actions=each, times=moments))
        for each, moments in (
            (kinds, times), (kinds, times + 9_000), (kinds[:, ::-1], times), (kinds * 0, times),
            (kinds, times * 9_000),
        )
    ]  # fmt: skip
    # Moved as a whole, times are the same: only gaps are read.
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=1e-5, atol=1e-6)
    assert np.abs(vectors[0] - vectors[3]).max() > 1e-5
    assert np.abs(vectors[0] - vectors[4]).max() > 1e-5


def test_bag_refuses_kinds_and_times():
    bag = CONFIG.model_copy(update={"history_encoder": "bag"})
    with pytest.raises(ValueError, match="reads no kinds or times, .* with kinds and moments"):
        make_encoder(TOLD, NUM_INDICES, bag)


def test_kinds_without_a_reader_are_refused():
    encoder = make_encoder(HISTORY.model_copy(update={"values_name": None}), NUM_INDICES, CONFIG)
    with pytest.raises(ValueError, match="`actions` and `times` must be given exactly where"):
        encoder(np.array([[3, 5]]), times=np.array([[1, 2]]))


def test_bags_tables_larger_than_memory_are_refused_before_they_are_made():
    with pytest.raises(MemoryError, match="'huge/items' takes 1,000,000,000,000 rows x 64 numbers"):
        BagHistoryEncoder(10**12, 64, name="huge").build((None, 5))


@pytest.mark.parametrize("has_values", [True, False])
def test_bag_equals_the_twin(twin, rng, has_values):
    encoder = BagHistoryEncoder(20, 4, has_values=has_values)
    # An item may stand in a history twice; it then counts twice.
    ids = rng.integers(0, 20, (8, 6)) * (rng.random((8, 6)) < 0.6)
    ids[0], ids[1, :2] = 0, 7
    values = rng.integers(0, 6, (8, 6)).astype("float32") if has_values else np.zeros([8, 6])
    arguments = (ids, values) if has_values else (ids,)
    encoder(*arguments)
    statistics = rng.normal(size=(3, 4)).astype("float32")
    encoder.statistics.assign(statistics if has_values else statistics[:2])
    items = ops.convert_to_numpy(encoder.items)
    valued = ops.convert_to_numpy(encoder.valued) if has_values else np.zeros([20, 4])
    wanted = twin.bag_history(ids, values, items, valued, statistics)
    found = ops.convert_to_numpy(encoder(*arguments))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", HISTORY_ENCODERS)
def test_row_that_loses_its_history_looks_like_an_empty_one(rng, name):
    config = ModelConfig(
        embedding_dim=4,
        history_encoder=name,
        history_encoder_options={"dropout": 0.0} if name in SEQUENCE_ENCODERS else {},
        history_dropout=0.0,
        empty_history_share=0.5,
    )
    encoder = make_encoder(HISTORY, NUM_INDICES, config)
    ids, ratings = np.tile([3, 5, 7], (400, 1)), np.tile([1.0, 3.0, 5.0], (400, 1))
    trained = ops.convert_to_numpy(encoder(ids, ratings, training=True))
    full, empty = (ops.convert_to_numpy(encoder(x[:1], ratings[:1])) for x in (ids, 0 * ids))
    is_empty = np.isclose(trained, empty, atol=1e-6).all(axis=1)
    assert 0.4 < is_empty.mean() < 0.6
    np.testing.assert_allclose(trained[~is_empty], np.tile(full, ((~is_empty).sum(), 1)), rtol=1e-4)


@pytest.mark.parametrize(
    "name", [n for n, block in HISTORY_BLOCKS.items() if known_arguments(block, {"dropout": 0.5})]
)
def test_dropout_of_the_block_is_on_in_training_alone(name):
    config = ModelConfig(
        embedding_dim=4,
        history_encoder=name,
        history_encoder_options={"dropout": 0.5},
        history_dropout=0.0,
    )
    encoder = make_encoder(HISTORY, NUM_INDICES, config)
    ids, ratings = np.tile([3, 5, 7], (20, 1)), np.ones([20, 3], "float32")
    first, second, served, again = (
        ops.convert_to_numpy(encoder(ids, ratings, training=each))
        for each in (True, True, False, False)
    )
    assert np.abs(first - second).max() > 1e-4
    np.testing.assert_array_equal(served, again)


@pytest.mark.parametrize("pooling", ["attention", "mean", "root_mean", *SEQUENCE_ENCODERS])
def test_empty_history_is_zero_and_padding_may_stand_anywhere(rng, pooling):
    config = ModelConfig(embedding_dim=4, history_encoder=pooling)
    encoder = make_encoder(HISTORY, NUM_INDICES, config)
    ids = np.array([[3, 5, 0, 0], [0, 3, 0, 5], [0, 0, 0, 0]])
    ratings = np.array([[4, 2, 0, 0], [0, 4, 0, 2], [3, 3, 3, 3]], "float32")
    found = ops.convert_to_numpy(encoder(ids, ratings))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found[2], np.zeros(4))


def test_equal_ratings_count_like_no_ratings(rng):
    encoder = make_encoder(HISTORY, NUM_INDICES, CONFIG)
    ids = np.array([[3, 5, 7]])
    unrated = ops.convert_to_numpy(encoder(ids, np.zeros([1, 3], "float32")))
    equal = ops.convert_to_numpy(encoder(ids, np.full([1, 3], 4.0, "float32")))
    np.testing.assert_allclose(equal, unrated, rtol=1e-5, atol=1e-6)
    mixed = ops.convert_to_numpy(encoder(ids, np.array([[1.0, 3.0, 5.0]], "float32")))
    assert np.abs(mixed - unrated).max() > 1e-4


@pytest.mark.parametrize("name", ["bag", "mean"])
def test_values_keep_their_digits_in_mixed_precision(name):
    keras.utils.set_random_seed(3)
    config = ModelConfig(embedding_dim=4, history_encoder=name)
    item = IdEncoder(30, 4, initial_stddev=1.0, dtype="mixed_bfloat16")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = make_encoder(HISTORY, NUM_INDICES, config, shared={"item_id": item})
    finally:
        keras.config.set_dtype_policy("float32")
    ids = np.array([[3, 5]])
    # bfloat16 rounds both to 4,096, and their deviations from the mean to 0.
    near, equal = (
        encoder(ids, np.array([values], "float32")) for values in ([4097, 4099], [4098, 4098])
    )
    assert near.dtype == equal.dtype == "bfloat16"
    near, equal = (ops.convert_to_numpy(ops.cast(each, "float32")) for each in (near, equal))
    assert np.abs(near - equal).max() > 0.1


def test_history_shares_the_table_of_its_item():
    item = make_encoder(ITEM, NUM_INDICES, CONFIG)
    shared = make_encoder(HISTORY, NUM_INDICES, CONFIG, shared={"item_id": item})
    own = make_encoder(HISTORY, NUM_INDICES, CONFIG)
    assert shared.item_encoder is item
    assert own.item_encoder.num_indices == 30


def test_shared_table_stays_one_in_a_saved_model(tmp_path):
    item = make_encoder(ITEM, NUM_INDICES, CONFIG)
    history = make_encoder(HISTORY, NUM_INDICES, CONFIG, shared={"item_id": item})
    inputs = [keras.Input((), dtype="int64"), keras.Input((5,), dtype="int64"), keras.Input((5,))]
    outputs = [item(inputs[0]), history(inputs[1], inputs[2])]
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    item_again, history_again = (loaded.get_layer(each.name) for each in (item, history))
    assert history_again.item_encoder is item_again


def test_hiding_of_ids_leaves_the_history_alone():
    config = ModelConfig(embedding_dim=4, user_dropout=0.9, item_dropout=0.9, history_dropout=0.0)
    item = make_encoder(ITEM, NUM_INDICES, config)
    history = make_encoder(HISTORY, NUM_INDICES, config, shared={"item_id": item})
    ids, ratings = np.array([[3, 5, 7]] * 20), np.ones([20, 3], "float32")
    trained, served = (
        ops.convert_to_numpy(history(ids, ratings, training=each)) for each in (True, False)
    )
    np.testing.assert_array_equal(trained, served)
