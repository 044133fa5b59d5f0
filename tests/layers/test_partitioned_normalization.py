import numpy as np
import pytest
from keras import ops

from recsys_tf.layers import PartitionedNormalization


def array(tensor):
    return ops.convert_to_numpy(tensor)


def column(*values):
    return np.array(values, "float32")[:, None]


def make(min_rows=2, **options):
    """Scenarios 2, 3 and 4, and an epsilon that the hand arithmetic may leave out."""
    return PartitionedNormalization(5, epsilon=1e-9, min_rows=min_rows, **options)


def statistics(layer):
    return [array(each)[:, 0] for each in layer.moving_statistics()]


def test_rows_are_normalised_with_those_of_their_scenario():
    x, scenario = column(1, 10, 3, 30), np.array([2, 3, 2, 3])
    # Means 2 and 20, standard deviations 1 and 10.
    found = array(make()(x, scenario, training=True))
    np.testing.assert_allclose(found, column(-1, -1, 1, 1), rtol=1e-5)


def test_scales_and_offsets_of_scenario_and_all_multiply_and_add():
    layer = make()
    x, scenario = column(1, 3, 5, 7), np.array([2, 3, 0, 9])
    layer.build(x.shape, scenario.shape)
    layer.gamma.assign([2.0])
    layer.beta.assign([10.0])
    layer.scenario_gamma.assign(column(2, 4, 6))  # Factors 3, 5 and 7.
    layer.scenario_beta.assign(column(100, 200, 300))
    # No batch yet, so that mean and variance are 0 and 1.
    np.testing.assert_allclose(array(layer(x, scenario)), column(116, 240, 20, 24), rtol=1e-6)


def test_rows_without_a_known_scenario_take_the_statistics_over_all_rows():
    layer = make()
    x, scenario = column(0, 2, 4, 6), np.array([2, 2, 0, 7])
    # Over all rows the mean is 3 and the variance (9 + 1 + 1 + 9) / 4.
    found = array(layer(x, scenario, training=True))
    np.testing.assert_allclose(found[2:], column(1, 3) / 5**0.5, rtol=1e-5)
    np.testing.assert_allclose(found[:2], column(-1, 1), rtol=1e-5)


def test_moving_statistics_are_right_after_one_batch():
    layer = make()
    x, scenario = column(1, 10, 3, 30), np.array([2, 3, 2, 3])
    while_training = array(layer(x, scenario, training=True))
    np.testing.assert_allclose(array(layer(x, scenario)), while_training, rtol=1e-4, atol=1e-5)
    mean, variance = statistics(layer)
    np.testing.assert_allclose(mean[:3], [11, 2, 20], rtol=1e-5)
    np.testing.assert_allclose(variance[1:3], [1, 100], rtol=1e-5)


def test_later_batches_weigh_more():
    layer = make(momentum=0.5)
    for values in ([0, 2], [2, 4]):
        layer(column(*values), np.array([3, 3]), training=True)
    # Weights 1/4 and 1/2 of the means 1 and 3, divided by their sum.
    np.testing.assert_allclose(statistics(layer)[0][2], 7 / 3, rtol=1e-5)


def test_batch_without_rows_of_a_scenario_leaves_its_statistics():
    layer = make()
    layer(column(1, 3, 10, 30), np.array([2, 2, 3, 3]), training=True)
    layer(column(-50, 50), np.array([3, 3]), training=True)
    mean, variance = statistics(layer)
    np.testing.assert_allclose([mean[1], variance[1]], [2, 1], rtol=1e-5)


def test_scenario_with_too_few_rows_takes_the_batchs_statistics():
    layer = make(min_rows=3)
    x, scenario = column(0, 2, 4, 2), np.array([2, 2, 2, 4])
    found = array(layer(x, scenario, training=True))
    np.testing.assert_allclose(found[3], (2 - 2) / 2**0.5, atol=1e-6)
    # Scenario 4 has none of its own: mean and variance are those over all rows.
    mean, variance = statistics(layer)
    np.testing.assert_allclose([mean[3], variance[3]], [2, 2], rtol=1e-5)
    np.testing.assert_allclose([mean[1], variance[1]], [2, 8 / 3], rtol=1e-5)


def test_scenario_of_few_rows_is_trained_on_what_it_serves():
    layer = make()
    layer(column(1, 3, 10, 30), np.array([2, 2, 3, 3]), training=True)
    # One row of scenario 2, whose mean is 2 and standard deviation 1; the whole batch is far away.
    x, scenario = column(7, -50, 50), np.array([2, 3, 3])
    found = array(layer(x, scenario, training=True))
    np.testing.assert_allclose(found, column(5, -1, 1), rtol=1e-5)
    np.testing.assert_allclose(array(layer(x[:1], scenario[:1])), found[:1], rtol=1e-6)


def test_batch_of_too_few_rows_takes_the_moving_statistics():
    layer = make()
    layer(column(1, 3), np.array([2, 2]), training=True)
    before = layer.get_weights()
    # Mean 2, standard deviation 1; the batch's own would answer 0.
    found = layer(column(7), np.array([2]), training=True)
    np.testing.assert_allclose(array(found), column(5), rtol=1e-5)
    for weight, kept in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_empty_batch_changes_nothing():
    layer = make()
    layer(column(1, 3), np.array([2, 2]), training=True)
    before = layer.get_weights()
    assert layer(np.ones([0, 1], "float32"), np.zeros([0], int), training=True).shape == (0, 1)
    for weight, kept in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize("broken", [np.inf, np.nan, 1e30])
def test_batch_that_is_not_finite_moves_no_statistic(broken):
    layer = make()
    x, scenario = column(1, 10, 3, 30), np.array([2, 3, 2, 3])
    layer(x, scenario, training=True)
    before = [array(each) for each in layer.weights]
    layer(column(1, broken, 3, 30), scenario, training=True)
    # Of the scenario of finite rows too, where 0 times infinity is in its mean.
    for each, old in zip(layer.weights, before, strict=True):
        assert np.isfinite(array(each)).all()
        if not np.isfinite(broken):
            np.testing.assert_array_equal(each, old)


def test_one_scenario_is_batch_normalisation(rng):
    import keras

    layer, peer = PartitionedNormalization(3), keras.layers.BatchNormalization(epsilon=1e-3)
    x = (5 + 3 * rng.normal(size=(64, 4))).astype("float32")
    found, wanted = layer(x, np.full(64, 2), training=True), peer(x, training=True)
    np.testing.assert_allclose(array(found), array(wanted), rtol=1e-4, atol=1e-5)


def test_small_variance_far_from_zero_is_kept(rng):
    layer = make()
    x = (1000 + 0.1 * rng.normal(size=(64, 1))).astype("float32")
    layer(x, np.full(64, 2), training=True)
    np.testing.assert_allclose(statistics(layer)[1][1], x.astype("float64").var(), rtol=1e-2)


@pytest.mark.parametrize(
    ("make_layer", "error", "message"),
    [
        (lambda: PartitionedNormalization(2), ValueError, "`num_scenarios` must be .* at least 3"),
        (
            lambda: PartitionedNormalization(3, momentum=1.0),
            ValueError,
            "`momentum` must be a number from 0 to below 1",
        ),
        (
            lambda: PartitionedNormalization(3, epsilon=0.0),
            ValueError,
            "`epsilon` must be a finite number above 0, received 0.0",
        ),
        (
            lambda: PartitionedNormalization(3, min_rows=0),
            ValueError,
            "`min_rows` must be an integer of at least 1",
        ),
        (
            lambda: make()(np.ones([2, 3, 4], "float32"), np.zeros(2, int)),
            ValueError,
            "`inputs` must have rank 2, received rank 3",
        ),
        (
            lambda: make()(np.ones([2, 3], "float32"), np.zeros([2, 1], int)),
            ValueError,
            "`scenario` must have rank 1, received rank 2",
        ),
        (
            lambda: make()(np.ones([2, 3], "float32"), np.zeros(2)),
            TypeError,
            "`scenario` must be integers, .*received float32",
        ),
    ],
)
def test_wrong_arguments_are_refused(make_layer, error, message):
    with pytest.raises(error, match=message):
        make_layer()
