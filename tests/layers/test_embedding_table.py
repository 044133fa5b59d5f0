"""A table is read by the rows of a batch alone."""

import keras
import numpy as np
import pytest
from keras import ops

from recsys_tf.layers import EmbeddingTable
from recsys_tf.layers.embedding_table import gather_rows

IDS = np.array([[3, 0], [3, 5]])
ROWS = np.arange(12, dtype="float32").reshape(6, 2)


def table(**options):
    made = EmbeddingTable(6, 2, **options)
    made.build()
    made.embeddings.assign(ROWS)
    return made


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "uint8"])
def test_rows_are_those_of_the_ids(dtype):
    np.testing.assert_array_equal(table()(IDS.astype(dtype)), ROWS[IDS])


def test_saved_weights_are_those_of_the_embedding_of_keras():
    theirs, saved = keras.layers.Embedding(6, 2), {}
    theirs.build()
    theirs.save_own_variables(saved)
    ours = table()
    ours.load_own_variables(saved)
    np.testing.assert_array_equal(ours(IDS), theirs(IDS))
    assert [each.name for each in ours.weights] == [each.name for each in theirs.weights]


def test_mixed_precision_casts_the_rows_read_and_not_the_table():
    made = table(dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(made(IDS).dtype) == "bfloat16"
    assert made.embeddings.value.dtype == "float32"


def test_table_knows_that_it_is_one():
    assert table().embeddings.is_table


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="slices are TensorFlow's")
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_gradient_holds_the_rows_read_alone_and_the_graph_reads_no_whole_table(dtype):
    import tensorflow as tf

    made = table(dtype=dtype)

    @tf.function
    def gradient(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(made(ids), tf.float32))
        return tape.gradient(loss, made.embeddings.value)

    found = gradient(IDS)
    assert isinstance(found, tf.IndexedSlices)
    np.testing.assert_array_equal(found.indices, [3, 0, 3, 5])
    operations = [each.type for each in gradient.get_concrete_function(IDS).graph.get_operations()]
    assert "ResourceGather" in operations
    assert "ReadVariableOp" not in operations


@pytest.mark.parametrize("ids", [IDS.astype("float32"), IDS > 1])
def test_ids_that_are_no_integers_are_refused(ids):
    with pytest.raises(TypeError, match="`ids` must be integers, .* received (float32|bool)"):
        table()(ids)


def test_symbolic_ids_of_floats_are_refused():
    with pytest.raises(TypeError, match='needs `dtype="int64"`'):
        EmbeddingTable(6, 2)(keras.Input([3]))


def test_low_rank_adaptation_is_that_of_keras():
    made = table()
    made.enable_lora(1)
    made.lora_embeddings_b.assign(ops.ones_like(made.lora_embeddings_b))
    expected = ROWS + np.asarray(made.lora_embeddings_a)
    np.testing.assert_allclose(made(IDS), expected[IDS], rtol=1e-6)


def test_rows_of_a_plain_variable():
    variable = keras.Variable(ROWS)
    np.testing.assert_array_equal(gather_rows(variable, ops.convert_to_tensor(IDS)), ROWS[IDS])
