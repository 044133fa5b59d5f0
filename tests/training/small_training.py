"""A model of one layer and rows that it learns in a few steps."""

import keras
import numpy as np
import tensorflow as tf


def small_model(seed=1, dropout=0.0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dropout(dropout)(inputs)))
    model.compute_loss = lambda x, y, y_pred, *_, **__: keras.ops.mean((y - y_pred) ** 2)
    return model


def dataset(num_rows=64, broken=False, slope=1.0, is_shuffled=False):
    random = np.random.default_rng(0)
    x = random.normal(size=(num_rows, 3)).astype("float32")
    y = slope * x.sum(axis=1, keepdims=True)
    if broken:
        y[40] = np.inf
    rows = tf.data.Dataset.from_tensor_slices((x, y))
    if is_shuffled:
        # The second shuffle asks the first one for rows only when it is asked itself.
        rows = rows.shuffle(num_rows, seed=1).shuffle(8, seed=2)
    return rows.batch(16)
