"""Categories that are looked up together are what they would be one by one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from recsys_tf.encoders import CategoricalEncoder, JoinedCategories

NUM_INDICES = {"genre": 5, "city": 4}
VALUES = {"genre": np.array([4, 0, 1]), "city": np.array([3, 2, 0])}


def test_vectors_by_hand():
    layer = JoinedCategories(NUM_INDICES, 1)
    layer.build({"genre": (None,), "city": (None,)})
    layer.set_weights([np.arange(9.0)[:, None]])
    # Genres are rows 0 to 4, cities rows 5 to 8; 0 is missing.
    found = ops.convert_to_numpy(layer(VALUES))
    assert found[:, :, 0].tolist() == [[4, 8], [0, 7], [1, 0]]


def test_tables_larger_than_memory_are_refused_before_they_are_made():
    layer = JoinedCategories({"genre": 10**12, "city": 5}, 64, name="joined")
    with pytest.raises(MemoryError, match="'joined' takes 1,000,000,000,005 rows x 64 numbers"):
        layer.build({"genre": (None,), "city": (None,)})


def test_first_values_are_those_of_separate_encoders():
    keras.utils.set_random_seed(3)
    alone = {name: CategoricalEncoder(count, 2) for name, count in NUM_INDICES.items()}
    apart = [ops.convert_to_numpy(each(VALUES[name])) for name, each in alone.items()]
    keras.utils.set_random_seed(3)
    together = JoinedCategories(NUM_INDICES, 2)(VALUES)
    np.testing.assert_array_equal(ops.convert_to_numpy(together), np.stack(apart, axis=1))


def test_unknown_values_start_as_missing_ones():
    layer = JoinedCategories(NUM_INDICES, 2)
    unknown = {name: np.array([1]) for name in NUM_INDICES}
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(unknown)), np.zeros([1, 2, 2]))
    # Genres are rows 0 to 4, cities rows 5 to 8.
    table = np.abs(ops.convert_to_numpy(layer.embeddings)).max(axis=1)
    assert np.flatnonzero(table == 0).tolist() == [1, 6]


def test_gradient_is_of_the_rows_that_were_read():
    layer = JoinedCategories(NUM_INDICES, 2)
    with tf.GradientTape() as tape:
        loss = ops.sum(layer(VALUES))
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)
    read = np.zeros([9, 2])
    read[[4, 1, 8, 7]] = 1.0
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient), read)


@pytest.mark.parametrize("wrong", [5, -1])
def test_index_out_of_range_is_no_row_of_the_next_feature(wrong):
    layer = JoinedCategories(NUM_INDICES, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not in"), tf.device("CPU"):
        layer({**VALUES, "genre": np.array([4, 0, wrong])})


def test_regularization_is_the_squared_norm_of_the_tables():
    layer = JoinedCategories(NUM_INDICES, 2, l2_regularization=0.5)
    layer(VALUES)
    table = ops.convert_to_numpy(layer.embeddings)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.losses[0]), 0.5 * (table**2).sum(), 1e-5)
    assert JoinedCategories(NUM_INDICES, 2).losses == []


def test_no_feature_is_refused():
    with pytest.raises(ValueError, match=r"`num_indices` must name at least one feature"):
        JoinedCategories({}, 2)


def test_other_features_are_refused():
    with pytest.raises(ValueError, match=r"`values` must hold the features \['city', 'genre'\]"):
        JoinedCategories(NUM_INDICES, 2)({"genre": VALUES["genre"]})


def test_a_set_of_values_is_refused():
    with pytest.raises(ValueError, match=r"values\['genre'\]"):
        JoinedCategories(NUM_INDICES, 2)({**VALUES, "genre": np.zeros([3, 2], "int64")})
