"""Row-wise Adagrad and FTRL step the rows that a batch read as Keras steps the dense table."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.optimizers import RowWiseAdagrad, RowWiseFtrl

PAIRS = {
    RowWiseAdagrad: keras.optimizers.Adagrad,
    RowWiseFtrl: keras.optimizers.Ftrl,
}
CASES = [
    (RowWiseAdagrad, {}),
    (RowWiseAdagrad, {"epsilon": 1e-2}),
    (RowWiseAdagrad, {"initial_accumulator_value": 0.0}),
    (RowWiseAdagrad, {"global_clipnorm": 1.0, "weight_decay": 0.1}),
    (RowWiseFtrl, {}),
    (RowWiseFtrl, {"l1_regularization_strength": 0.3, "l2_regularization_strength": 0.2}),
    (RowWiseFtrl, {"l2_shrinkage_regularization_strength": 0.1, "beta": 0.5}),
    (RowWiseFtrl, {"learning_rate_power": -0.3, "clipvalue": 0.5}),
]


def names(value):
    return getattr(value, "__name__", None) or ", ".join(value) or "defaults"


@pytest.mark.parametrize(("kind", "options"), CASES, ids=names)
def test_steps_equal_those_of_keras_where_every_row_is_read(kind, options, step, every_row):
    sparse, dense = every_row
    ours = step(kind(0.1, **options), sparse)
    theirs = step(PAIRS[kind](0.1, **options), dense)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"epsilon": 1e-2}], ids=names)
def test_adagrad_equals_that_of_keras_for_rows_that_are_not_read_too(options, step, some_rows):
    gradients = [some_rows(each, seed) for seed, each in enumerate([[0, 2], [2, 2], [3]])]
    ours, _ = step(RowWiseAdagrad(0.1, **options), gradients)
    dense = [tf.convert_to_tensor(each) for each in gradients]
    theirs, _ = step(keras.optimizers.Adagrad(0.1, **options), dense)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_ftrl_leaves_a_row_that_is_not_read_and_that_of_keras_puts_it_at_zero(step, some_rows):
    gradients = [some_rows([0, 2])]
    start, _ = step(RowWiseAdagrad(0.0), gradients)
    ours, _ = step(RowWiseFtrl(0.1), gradients)
    theirs, _ = step(keras.optimizers.Ftrl(0.1), [tf.convert_to_tensor(gradients[0])])
    np.testing.assert_allclose(ours[[0, 2]], theirs[[0, 2]], rtol=1e-6)
    np.testing.assert_array_equal(ours[[1, 3, 4]], start[[1, 3, 4]])
    np.testing.assert_array_equal(theirs[[1, 3, 4]], np.zeros([3, 3]))


@pytest.mark.parametrize("options", [{}, {"l1_regularization_strength": 0.3, "beta": 0.5}])
def test_ftrl_keeps_the_start_where_it_is_asked_to(options, step, some_rows):
    gradient = some_rows([0, 2])
    nothing = tf.IndexedSlices(0 * gradient.values, gradient.indices, gradient.dense_shape)
    start, _ = step(RowWiseAdagrad(0.0), [gradient])
    found, _ = step(RowWiseFtrl(0.1, is_start_kept=True, **options), [nothing])
    np.testing.assert_allclose(found, start, rtol=1e-5)


def test_ftrl_keeps_no_start_under_a_schedule():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(ValueError, match="`learning_rate` must be a number"):
        RowWiseFtrl(schedule, is_start_kept=True)


@pytest.mark.parametrize("kind", PAIRS)
def test_what_walks_the_whole_table_is_refused(kind):
    with pytest.raises(ValueError, match="`use_ema` must be left out"):
        kind(0.1, use_ema=True)


@pytest.mark.parametrize(
    "made",
    [
        RowWiseAdagrad(0.2, initial_accumulator_value=0.3, global_clipnorm=3.0),
        RowWiseFtrl(0.2, l1_regularization_strength=0.1, is_start_kept=True),
    ],
    ids=lambda made: type(made).__name__,
)
def test_configuration_makes_the_same_optimizer(made):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
