"""The rows of a catalogue as a tower makes them, and what the catalogue keeps."""

import keras
import numpy as np
import tensorflow as tf

from recsys_tf.models.catalogue_features import CatalogueFeatures
from recsys_tf.models.tower_table import TowerTable


def small_table(training=False, offsets=None):
    """A tower of an id's vector and a number, and four items' numbers; index 4 has no item."""
    ids = keras.Input([], dtype="int64", name="item_id")
    price = keras.Input([1], name="price")
    vectors = keras.layers.Embedding(5, 1, name="ids")(ids)
    if training:
        vectors = keras.layers.Dropout(0.5)(vectors)
    outputs = {"embedding": keras.layers.Add()([vectors, 10.0 * price])}
    tower = keras.Model({"item_id": ids, "price": price}, outputs)
    tower.get_layer("ids").set_weights([np.arange(5.0)[:, None]])
    catalogue = CatalogueFeatures(
        5, "item_id", [("item_id", (), "int64"), ("price", (1,), "float32")]
    )
    catalogue.set_columns(
        {"item_id": np.array([1, 3, 2]), "price": np.array([[9.0], [0.5], [0.2]])}
    )
    return TowerTable(tower, catalogue, training, offsets)


def test_rows_by_hand():
    table = small_table()
    assert table.shape == (5, 1)
    # Item n is n + 10 price; who shares the index of the unknown has no row.
    np.testing.assert_allclose(tf.convert_to_tensor(table)[:, 0], [0, 1, 4, 8, 4])
    rows = table.rows(tf.constant([[3, 2], [3, 4]]))
    np.testing.assert_allclose(rows[:, :, 0], [[8, 4], [8, 4]])
    assert table.rows(tf.zeros([0], tf.int32)).shape == (0, 1)


def test_offsets_are_of_the_loss_alone():
    table = small_table(offsets=tf.constant([0.0, 0.0, 1.0, 2.0, 3.0]))
    np.testing.assert_allclose(table.all_rows()[:, 0], [0, 1, 5, 10, 7])
    np.testing.assert_allclose(table.rows(tf.constant([4, 3]))[:, 0], [7, 10])
    np.testing.assert_allclose(table.frozen_rows()[:, 0], [0, 1, 4, 8, 4])


def test_equal_items_of_a_reading_are_dropped_alike_and_frozen_rows_not_at_all():
    table = small_table(training=True)
    rows = table.rows(tf.fill([50], 3)).numpy()
    assert len(np.unique(rows)) == 1
    np.testing.assert_allclose(table.frozen_rows()[:, 0], [0, 1, 4, 8, 4])


def test_numbers_are_kept_in_their_own_precision():
    layer = CatalogueFeatures(
        4, "item_id", [("words", (2,), "int64"), ("size", (1,), "float32")], dtype="mixed_bfloat16"
    )
    layer.set_columns(
        {"item_id": np.array([2]), "words": np.array([[7, 70_001]]), "size": np.array([[1.001]])}
    )
    found = layer(tf.constant([2]))
    assert found["words"].numpy().tolist() == [[7, 70_001]]
    assert found["size"].numpy()[0, 0] == np.float32(1.001)
    again = CatalogueFeatures.from_config(layer.get_config())
    assert [(each.name, each.shape) for each in again.weights] == [
        (each.name, each.shape) for each in layer.weights
    ]
