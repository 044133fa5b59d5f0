"""Losses of a positive's score and of sampled negatives' scores: hand arithmetic and edges."""

import numpy as np
import pytest
from keras import ops

from recsys_tf import losses
from recsys_tf.losses import gbce, gbce_beta, sampled_softmax

LOSSES = {
    "softmax": losses.sampled_softmax,
    "bpr": losses.bayesian_personalized_ranking,
    "bce": losses.negative_binary_crossentropy,
    "gbce": lambda *scores: gbce(*scores, beta=0.3),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_equals_its_twin_without_the_accidental_hits(name, load_reference):
    random = np.random.default_rng(0)
    positive, negative = random.normal(size=5), random.normal(size=(5, 4))
    is_negative = random.uniform(size=(5, 4)) < 0.6
    is_negative[0] = False
    twin = load_reference("retrieval_losses").sampled_losses
    beta = 0.3 if name == "gbce" else 1.0
    found = ops.convert_to_numpy(LOSSES[name](positive, negative, is_negative))
    rows = zip(positive, negative, is_negative, strict=True)
    expected = [twin(name, p, n[kept], beta=beta) for p, n, kept in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("positive", [-1e6, 1e6])
def test_extreme_scores_give_finite_losses(name, positive):
    found = LOSSES[name]([positive], [[-1e6, 1e6]], [[True, True]])
    assert np.all(np.isfinite(ops.convert_to_numpy(found)))


@pytest.mark.parametrize("name", LOSSES)
def test_loss_falls_with_the_positive_and_grows_with_a_negative(name):
    scores = [([0.0], [[0.0, 1.0]]), ([0.5], [[0.0, 1.0]]), ([0.0], [[0.5, 1.0]])]
    base, better, worse = (float(LOSSES[name](*each, [[True, True]])[0]) for each in scores)
    assert better < base < worse


def test_item_drawn_twice_counts_once_after_the_correction():
    once = sampled_softmax([0.3], [[1.0, 2.0]], [[True, True]], np.log([1.0, 1.0]))
    twice = sampled_softmax([0.3], [[1.0, 2.0, 2.0]], [[True] * 3], np.log([1.0, 2.0, 2.0]))
    assert float(twice[0]) == pytest.approx(float(once[0]), rel=1e-6)


@pytest.mark.parametrize(
    ("num_negatives", "calibration", "expected"),
    [(25, 0.0, 1.0), (25, 1.0, 0.25), (25, 0.5, 0.625), (100, 1.0, 1.0), (999, 1.0, 1.0)],
)
def test_beta_goes_from_one_to_the_sampling_rate(num_negatives, calibration, expected):
    # Also as the paper writes it: a (t (1 - 1/a) + 1/a), of a = K / (N - 1).
    assert gbce_beta(num_negatives, 101, calibration) == pytest.approx(expected)
    rate = min(num_negatives / 100, 1.0)
    assert rate * (calibration * (1 - 1 / rate) + 1 / rate) == pytest.approx(expected)


def test_beta_of_a_single_item_is_one():
    assert gbce_beta(4, 1, 1.0) == 1.0
