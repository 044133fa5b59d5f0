"""Ids without a row each: what stands for the table of an id, behind a gate or not."""

import keras
import numpy as np
import pytest
from keras import ops

from recsys_tf import CategoricalFeature, IdFeature, ModelConfig
from recsys_tf.encoders import CategoricalEncoder, HistoryEncoder, IdEncoder, make_encoder
from recsys_tf.layers import CompositionalTable, HashedTable, MaskedMeanPooling
from recsys_tf.schema import HistoryFeature

ITEM = IdFeature(name="item_id", side="item")
GENRES = CategoricalFeature(name="genres", side="item", is_multivalent=True)
HISTORY = HistoryFeature(name="history", side="user", of="item_id")
NUM_INDICES = {"item_id": 100, "genres": 30}


def config(**fields):
    return ModelConfig(embedding_dim=4, item_dropout=0.0, **fields)


def test_hashed_vector_is_the_sum_of_its_buckets():
    table = HashedTable(1000, 3, num_buckets=50, num_hashes=3, seed=4)
    found = ops.convert_to_numpy(table(np.array([[7, 0, 1]])))[0]
    rows = ops.convert_to_numpy(table.hashing(np.array([7])))[0]
    values = ops.convert_to_numpy(table.buckets.embeddings)
    assert values.shape == (52, 3)
    np.testing.assert_allclose(found[0], values[rows].sum(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(found[1], np.zeros(3))
    np.testing.assert_allclose(found[2], 3 * values[1], rtol=1e-6)


def test_hashed_vectors_start_of_the_stated_size():
    vectors = HashedTable(20_000, 8, num_buckets=5_000, num_hashes=4)(np.arange(2, 20_000))
    assert float(ops.std(vectors)) == pytest.approx(0.05, rel=0.05)


def test_hashed_table_has_a_tenth_of_the_ids_for_rows_unless_told():
    assert HashedTable(1_001, 2).hashing.num_buckets == 101


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [("hashed", HashedTable, {"num_buckets": 7}), ("compositional", CompositionalTable, {})],
)
def test_configuration_puts_the_table_below_the_encoders_of_ids(name, kind, options):
    names = ("item_id", "genres")
    chosen = config(
        id_tables=dict.fromkeys(names, name), id_table_options=dict.fromkeys(names, options)
    )
    item = make_encoder(ITEM, NUM_INDICES, chosen)
    genres = make_encoder(GENRES, NUM_INDICES, chosen)
    alone = make_encoder(HISTORY, NUM_INDICES, chosen)
    shared = make_encoder(HISTORY, NUM_INDICES, chosen, shared={"item_id": item})
    assert shared.item_encoder is item
    for table in (item.embedding, genres.table.embedding, alone.item_encoder.embedding):
        assert type(table) is kind
        assert table.embedding_dim == 4
    ids = np.array([3, 0, 99])
    np.testing.assert_allclose(item(ids), item.embedding(ids), rtol=1e-6)
    # A set is the mean of its values' vectors, an event the item's own.
    vectors = ops.convert_to_numpy(genres.table.embedding(np.array([5, 29])))
    np.testing.assert_allclose(genres(np.array([[5, 0, 29]]))[0], vectors.mean(axis=0), rtol=1e-5)
    assert sum(each.shape[0] for each in item.weights) < 100


def test_history_reads_the_vectors_of_the_items_own_table():
    item = IdEncoder(100, 4, embedding=HashedTable(100, 4))
    history = HistoryEncoder(item, MaskedMeanPooling())
    found = history(np.array([[9, 0, 4]]))[0]
    vectors = ops.convert_to_numpy(item(np.array([9, 4])))
    np.testing.assert_allclose(found, vectors.mean(axis=0), rtol=1e-5)
    assert len(history.trainable_variables) == 2


def test_rare_ids_have_the_vector_of_the_unknown_until_they_are_met():
    encoder = make_encoder(ITEM, NUM_INDICES, config(frequency_gates={"item_id": 2}))
    history = make_encoder(HISTORY, NUM_INDICES, config(), shared={"item_id": encoder})
    table = encoder(np.array([1, 1]), training=True)  # The unknown id is met as well.
    np.testing.assert_array_equal(encoder(np.array([7])), table[:1])
    encoder(np.array([7, 8]), training=True)
    # Events of a history are hidden alike, and no sights.
    history(np.array([[7, 8]]), training=True)
    np.testing.assert_array_equal(encoder(np.array([7])), table[:1])
    encoder(np.array([7]), training=True)
    np.testing.assert_array_equal(encoder(np.array([7]))[0], encoder.table[7])
    np.testing.assert_array_equal(encoder(np.array([8])), table[:1])
    assert np.array(encoder.gate.counts)[[7, 8]].tolist() == [2, 1]


def test_gate_counts_the_ids_that_dropout_hides():
    encoder = IdEncoder(10, 2, id_dropout=0.9, min_count=1)
    encoder(np.full(50, 7), training=True)
    assert int(encoder.gate.counts[7]) == 50


def test_sets_of_values_are_counted_too():
    encoder = CategoricalEncoder(9, 2, is_multivalent=True, min_count=2)
    sets = np.array([[3, 4], [3, 0]])
    encoder(sets, training=True)
    assert np.array(encoder.table.gate.counts).tolist() == [1, 0, 0, 2, 1, 0, 0, 0, 0]
    table = ops.convert_to_numpy(encoder.table.table)
    np.testing.assert_allclose(encoder(sets)[0], (table[3] + table[1]) / 2, rtol=1e-6)


def test_encoder_saved_before_there_were_tables_to_choose_is_loaded():
    config = IdEncoder(10, 4).get_config()
    old = {name: each for name, each in config.items() if name not in ("embedding", "min_count")}
    assert IdEncoder.from_config(old).get_config() == config


def test_encoder_is_made_again_with_its_table_and_gate():
    encoder = CategoricalEncoder(
        50, 4, embedding=HashedTable(50, 4, num_buckets=6, seed=3), min_count=2
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    assert again.get_config() == encoder.get_config()
    assert again.table.embedding.id_assignment == (6, 2, 3)


def test_table_of_another_width_and_a_regularized_one_are_refused():
    with pytest.raises(ValueError, match=r"width `embedding_dim` \(4\), received 5"):
        IdEncoder(10, 4, embedding=HashedTable(10, 5))
    with pytest.raises(ValueError, match="`l2_regularization` must be 0 where `embedding`"):
        IdEncoder(10, 4, l2_regularization=0.1, embedding=HashedTable(10, 4))


def test_unknown_table_is_told_with_the_nearest():
    with pytest.raises(ValueError, match=r"`id_tables.item_id` must be .* Did you mean 'hashed'"):
        make_encoder(ITEM, NUM_INDICES, config(id_tables={"item_id": "hash"}))


def test_bag_of_items_without_a_row_each_is_refused():
    chosen = config(id_tables={"item_id": "hashed"}, history_encoder="bag")
    with pytest.raises(ValueError, match="must not hold 'item_id' with the history encoder 'bag'"):
        make_encoder(HISTORY, NUM_INDICES, chosen)
