"""Samplers draw with the probabilities that they say."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.tasks import MixedSampler, PopularitySampler, UniformSampler

NUM_ROWS = 7  # Five items.
POPULARITY = [50, 50, 8, 4, 2, 1, 1]
POSITIVES = tf.constant([2, 2, 2, 5])
NUM = 20_000


def counts(negatives):
    return np.bincount(np.ravel(negatives.ids), minlength=NUM_ROWS)[2:]


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (UniformSampler(NUM), [0.2, 0.2, 0.2, 0.2, 0.2]),
        (UniformSampler(NUM // 4, is_shared=False), [0.2, 0.2, 0.2, 0.2, 0.2]),
        (PopularitySampler(NUM, POPULARITY, 1.0), [0.5, 0.25, 0.125, 0.0625, 0.0625]),
        (PopularitySampler(NUM, POPULARITY, 0.0), [0.2, 0.2, 0.2, 0.2, 0.2]),
        (
            PopularitySampler(NUM // 4, POPULARITY, 1.0, is_shared=False),
            [0.5, 0.25, 0.125, 0.0625, 0.0625],
        ),
        # Half of the batch, where item 2 is three of four, and half uniform.
        (MixedSampler(NUM, 0.5), [0.475, 0.1, 0.1, 0.225, 0.1]),
        (MixedSampler(NUM, 0.0), [0.2, 0.2, 0.2, 0.2, 0.2]),
        (MixedSampler(NUM, 1.0), [0.75, 0, 0, 0.25, 0]),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
)
def test_draws_and_expected_counts_follow_the_probabilities(sampler, expected):
    keras.utils.set_random_seed(3)
    negatives = sampler(POSITIVES, NUM_ROWS)
    # Five standard deviations of a share are at most 5 * sqrt(0.25 / 20,000) = 0.018.
    np.testing.assert_allclose(counts(negatives) / NUM, expected, atol=0.018)
    num_draws = negatives.ids.shape[-1]
    said = np.exp(np.ravel(negatives.log_expected_counts)) / num_draws
    np.testing.assert_allclose(said, np.array(expected)[np.ravel(negatives.ids) - 2], rtol=1e-5)


def test_mixed_counts_take_the_popularity_that_is_given():
    negatives = MixedSampler(10, 0.5, popularity=POPULARITY)(POSITIVES, NUM_ROWS)
    expected = 5 * np.array([8, 4, 2, 1, 1]) / 16 + 5 / 5
    said = np.exp(negatives.log_expected_counts)
    np.testing.assert_allclose(said, expected[negatives.ids.numpy() - 2], rtol=1e-5)


def test_positive_of_popularity_zero_counts_as_the_rarest_other():
    sampler = MixedSampler(3, 1.0, popularity=[0, 0, 3, 0, 1])
    negatives = sampler(tf.constant([3]), 5)
    np.testing.assert_allclose(np.exp(negatives.log_expected_counts), 3 * 0.25, rtol=1e-6)


def test_unpopular_item_is_never_drawn():
    ids = PopularitySampler(1000, [9, 9, 0, 1, 0, 3, 0], 1.0)(POSITIVES, 7).ids
    assert set(ids.numpy()) == {3, 5}


def test_long_tail_keeps_its_probabilities():
    popularity = np.ones(2_000_002)
    popularity[2] = 2e6
    ids = PopularitySampler(20_000, popularity, 1.0)(POSITIVES, len(popularity)).ids.numpy()
    tail = ids[ids > 2]
    assert len(tail) / len(ids) == pytest.approx(0.5, abs=0.02)
    # In float32 whole runs of items would share a step, and draws would gather on a few.
    assert len(np.unique(tail)) > 0.98 * len(tail)


def test_batch_without_positives_still_draws():
    negatives = MixedSampler(6, 0.5)(tf.zeros([0], tf.int32), NUM_ROWS)
    assert negatives.ids.shape == (6,)
    assert UniformSampler(6, is_shared=False)(tf.zeros([0], tf.int32), 7).ids.shape == (0, 6)


def test_seed_decides_the_draws():
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        draws.append(UniformSampler(50)(POSITIVES, 1000).ids.numpy())
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UniformSampler(0), "`num_negatives` must be 1 or above, received 0"),
        (lambda: PopularitySampler(1, [0, 0, 1], -1), "`alpha` must be 0 or above, received -1"),
        (lambda: PopularitySampler(1, [0, 0, -1]), "`popularity` must be .* minimum -1.0"),
        (lambda: PopularitySampler(1, [0, 0, np.nan]), "`popularity` must be .N. finite numbers"),
        (lambda: PopularitySampler(1, [7, 7, 0]), "`popularity` must be above 0 for an item"),
        (
            lambda: PopularitySampler(1, [0, 0, 1])(POSITIVES, 4),
            "`popularity` must have one number a row of the table, 4 .* received 3",
        ),
        (lambda: MixedSampler(1, 1.5), "`batch_share` must be from 0 to 1, received 1.5"),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
