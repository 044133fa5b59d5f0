"""The fused optimisers equal their NumPy twin and Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.optimizers import FusedAdam, FusedAdamW

PAIRS = [(FusedAdam, keras.optimizers.Adam), (FusedAdamW, keras.optimizers.AdamW)]
GRADIENTS = [np.array(each, "float32") for each in ([3.0, -1.0], [0.5, 4.0], [0.0, -2.0])]


def trained(optimizer, gradients, dtype="float32"):
    weight = keras.Variable([1.0, -2.0], dtype=dtype)
    for each in gradients:
        optimizer.apply([tf.constant(each, dtype)], [weight])
    return np.asarray(keras.ops.cast(weight, "float32"))


def test_steps_equal_the_numpy_twin():
    weight, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for step, gradient in enumerate(GRADIENTS, start=1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.99 * v + 0.01 * gradient**2
        mean, spread = m / (1 - 0.9**step), np.sqrt(v / (1 - 0.99**step))
        weight = weight - 0.1 * mean / (spread + 1e-7)
    ours = trained(FusedAdam(0.1, beta_2=0.99), GRADIENTS)
    np.testing.assert_allclose(ours, weight, rtol=1e-5)


@pytest.mark.parametrize(("fused", "plain"), PAIRS)
@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 1.0}, {"amsgrad": True}])
def test_steps_equal_those_of_keras(fused, plain, options):
    ours, theirs = (trained(each(0.1, **options), GRADIENTS) for each in (fused, plain))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_half_precision_is_stepped_in_half_precision():
    ours, theirs = (trained(each(0.1), GRADIENTS, "bfloat16") for each in PAIRS[0])
    np.testing.assert_allclose(ours, theirs, rtol=0.02)


# Row 3 stands twice.
SLICES = tf.IndexedSlices(tf.reshape(tf.range(6.0), [3, 2]), tf.constant([3, 1, 3]), [4, 2])


def stepped_table(optimizer, gradient):
    table = keras.Variable(np.ones([4, 2], "float32"))
    for _ in range(3):
        optimizer.apply([gradient], [table])
    return np.asarray(table)


@pytest.mark.parametrize(("fused", "plain"), PAIRS)
def test_slices_are_clipped_and_stepped_as_keras_does(fused, plain):
    ours, theirs = (
        stepped_table(each(0.1, global_clipnorm=1.0), SLICES) for each in (fused, plain)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_slices_without_clipping_are_stepped_as_their_dense_sum():
    expected = stepped_table(keras.optimizers.Adam(0.1), tf.convert_to_tensor(SLICES))
    np.testing.assert_allclose(stepped_table(FusedAdam(0.1), SLICES), expected, rtol=1e-5)


@pytest.mark.parametrize("options", [{"clipnorm": 1.0}, {"clipvalue": 0.5}])
def test_other_clipping_is_that_of_keras(options):
    ours, theirs = (trained(each(0.1, **options), GRADIENTS) for each in PAIRS[0])
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_gradient_that_is_not_finite_is_not_hidden_by_clipping(value):
    gradients = [np.array([value, 1.0], "float32")]
    assert np.isnan(trained(FusedAdam(0.1, global_clipnorm=1.0), gradients)).all()


def test_variable_without_gradient_is_left_as_it_is():
    weights = [keras.Variable([1.0]), keras.Variable([1.0])]
    FusedAdam(0.1, global_clipnorm=1.0).apply([tf.constant([3.0]), None], weights)
    assert float(weights[0][0]) != 1.0
    assert float(weights[1][0]) == 1.0


def test_a_state_that_keras_wrote_goes_on():
    weight = keras.Variable([1.0, -2.0])
    before, after = keras.optimizers.Adam(0.1), FusedAdam(0.1)
    before.apply([tf.constant(GRADIENTS[0])], [weight])
    after.build([weight])
    for mine, theirs in zip(after.variables, before.variables, strict=True):
        mine.assign(theirs)
    for each in GRADIENTS[1:]:
        after.apply([tf.constant(each)], [weight])
    expected = trained(keras.optimizers.Adam(0.1), GRADIENTS)
    np.testing.assert_allclose(weight, expected, rtol=1e-5)


def test_decay_is_of_the_names_given_and_not_of_their_layers():
    with keras.name_scope("kernel_tower"):
        variables = [keras.Variable([1.0], name=name) for name in ("kernel", "up_kernel", "items")]
    unnamed, excluded = FusedAdamW(0.1, 0.5), FusedAdamW(0.1, 0.5, decayed_names=["kernel"])
    excluded.exclude_from_weight_decay(var_names=["up"])
    for optimizer, expected in ((excluded, [0.95, 1, 1]), (unnamed, [0.9025, 0.95, 0.95])):
        optimizer.apply([tf.constant([0.0])] * 3, variables)
        np.testing.assert_allclose([float(each[0]) for each in variables], expected, rtol=1e-6)


@pytest.mark.parametrize("names", [None, ["kernel", "query"]])
def test_names_that_are_decayed_are_kept(names):
    made = FusedAdamW(0.2, 0.1, decayed_names=names)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert again.get_config() == made.get_config()
    assert made.get_config()["decayed_names"] == names


@pytest.mark.parametrize("kind", [FusedAdam, FusedAdamW])
def test_configuration_makes_the_same_optimizer(kind):
    made = kind(0.2, beta_2=0.95, global_clipnorm=3.0)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert type(again) is kind
    assert again.get_config() == made.get_config()
