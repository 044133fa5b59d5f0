"""A table whose rows a sequence of batches reads, stepped by one optimiser or another."""

import keras
import numpy as np
import pytest
import tensorflow as tf

NUM_ROWS, WIDTH = 5, 3


def slices(rows, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(rows), WIDTH)).astype("float32")
    return tf.IndexedSlices(tf.constant(values), tf.constant(rows), [NUM_ROWS, WIDTH])


def stepped(optimizer, gradients, dtype="float32"):
    """Returns the table after the gradients, each applied beside that of a dense weight."""
    start = np.random.default_rng(9).normal(size=(NUM_ROWS, WIDTH))
    table, dense = keras.Variable(start, dtype=dtype), keras.Variable(np.ones(2, "float32"))
    for each in gradients:
        optimizer.apply([each, tf.constant([0.5, -2.0])], [table, dense])
    return np.asarray(keras.ops.cast(table, "float32")), np.asarray(dense)


# Every row in every step, some of them several times.
EVERY_ROW = [slices([4, 1, 0, 1, 3, 2, 1], seed) for seed in range(5)]
DENSE = [tf.convert_to_tensor(each) for each in EVERY_ROW]


@pytest.fixture
def every_row():
    return EVERY_ROW, DENSE


@pytest.fixture
def step():
    return stepped


@pytest.fixture
def some_rows():
    return slices
