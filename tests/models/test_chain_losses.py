"""What a chain is made of: products in log odds, and losses of the steps by themselves."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import ModelConfig
from recsys_tf.losses import binary_crossentropy
from recsys_tf.models.chains import (
    chain_penalties,
    conditional_name,
    imputed_error_name,
    product_logit,
)


@pytest.fixture(scope="module")
def twin(load_reference):
    return load_reference("chains")


# Probabilities 1/2 and 1/2 give 1/4, odds 1/3; 3/4 and 3/4 give 9/16, odds 9/7.
@pytest.mark.parametrize(
    ("first", "second", "odds"),
    [(0.0, 0.0, 1 / 3), (np.log(3), np.log(3), 9 / 7), (0.0, np.log(3), 3 / 5)],
)
def test_product_of_probabilities_by_hand(first, second, odds):
    assert float(product_logit(first, second)) == pytest.approx(np.log(odds), rel=1e-6)


def test_product_is_exact_at_extreme_logits():
    first = [100.0, 100.0, -100.0, 100.0, 0.0]
    second = [100.0, -100.0, -100.0, 0.0, -100.0]
    expected = [100 - np.log(2), -100, -200, 0, -100 - np.log(2)]
    np.testing.assert_allclose(product_logit(first, second), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradients_at_extreme_logits_are_finite(dtype):
    values = np.array(np.meshgrid(*[[-100.0, -1.0, 0.0, 1.0, 100.0]] * 3)).reshape(3, -1)
    logits = [tf.constant(each, dtype) for each in values]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        product = product_logit(product_logit(logits[0], logits[1]), logits[2])
        loss = tf.reduce_sum(binary_crossentropy(np.ones(125), product))
    assert np.isfinite(product).all()
    for gradient in tape.gradient(loss, logits):
        assert np.isfinite(tf.cast(gradient, "float32")).all()
        # d log p / d logit is from 0 to 1.
        assert np.all(np.abs(tf.cast(gradient, "float32")) <= 1)


NAN = float("nan")
ROWS = {
    "clicks": np.array([1, 1, 0, 1, NAN, 0, 1], "float32"),
    "labels": np.array([1, 0, 0, NAN, 0, 0, 1], "float32"),
    "weights": np.array([1, 0.5, 2, 1, 1, 1, 0], "float32"),
    "click_logits": np.array([0.4, -4.0, 1.0, 0.2, 0.3, -0.7, 2.0], "float32"),
    "logits": np.array([0.1, -0.5, 3.0, 0.7, -0.2, 1.1, 0.9], "float32"),
}
IMPUTED = np.array([0.2, 0.9, 1.4, 0.1, 0.6, 0.3, 0.5], "float32")


def penalties(click_logits=None, logits=None, labels=None, imputed=IMPUTED, **model):
    click_logits = ROWS["click_logits"] if click_logits is None else click_logits
    logits = ROWS["logits"] if logits is None else logits
    outputs = {
        "click": click_logits,
        "buy": logits,
        conditional_name("buy"): logits,
        imputed_error_name("buy"): imputed,
    }
    labels = {"click": ROWS["clicks"], "buy": ROWS["labels"] if labels is None else labels}
    weights = {"click": np.ones(7, "float32"), "buy": ROWS["weights"]}
    return chain_penalties({"buy": "click"}, ModelConfig(**model), labels, outputs, weights)


def test_inverse_propensity_loss_equals_the_twin(twin):
    found = penalties(chain="escm2_ips", counterfactual_weight=0.3, propensity_floor=0.1)
    expected = 0.3 * twin.inverse_propensity_risk(**ROWS, floor=0.1)
    assert float(found["buy"]) == pytest.approx(expected, rel=1e-5)


def test_doubly_robust_loss_equals_the_twin(twin):
    found = penalties(chain="escm2_dr", counterfactual_weight=0.3, propensity_floor=0.1)
    expected = 0.3 * twin.doubly_robust_risk(**ROWS, imputed=IMPUTED, floor=0.1)
    assert float(found["buy"]) == pytest.approx(expected, rel=1e-5)


def test_calibrator_equals_the_twin(twin):
    found = penalties(calibrator_weight=0.6)
    rows = {name: each for name, each in ROWS.items() if name != "clicks"}
    assert float(found["buy"]) == pytest.approx(0.6 * twin.calibrator(**rows), rel=1e-5)


def test_nothing_is_added_without_a_factor_or_a_counterfactual_chain():
    assert penalties() == {}
    assert penalties(chain="esmm") == {}


@pytest.mark.parametrize(
    "model", [{"chain": "escm2_ips"}, {"chain": "escm2_dr"}, {"calibrator_weight": 1.0}]
)
def test_task_without_labels_gets_no_penalty(model):
    assert float(penalties(labels=np.full(7, NAN), **model)["buy"]) == 0


@pytest.mark.parametrize("chain", ["escm2_ips", "escm2_dr"])
def test_propensities_get_no_gradient(chain):
    click_logits, logits = (tf.constant(ROWS[name]) for name in ("click_logits", "logits"))
    with tf.GradientTape() as tape:
        tape.watch([click_logits, logits])
        loss = penalties(click_logits, logits, chain=chain)["buy"]
    of_clicks, of_logits = tape.gradient(loss, [click_logits, logits])
    assert of_clicks is None
    # Rows that are clicked, known and weighed, and no others.
    np.testing.assert_array_equal(of_logits.numpy() != 0, [1, 1, 0, 0, 0, 0, 0])


def test_imputed_errors_learn_of_their_own_loss_alone():
    imputed = tf.constant(IMPUTED)
    with tf.GradientTape() as tape:
        tape.watch(imputed)
        loss = penalties(
            imputed=imputed, chain="escm2_dr", counterfactual_weight=1.0, propensity_floor=0.1
        )["buy"]
    found = tape.gradient(loss, imputed)
    # Of the rows that are clicked, known and weighed: -2 w (e - i) / o, over the known weights.
    propensities = np.maximum(1 / (1 + np.exp(-ROWS["click_logits"])), 0.1)
    errors = np.asarray(binary_crossentropy(ROWS["labels"], ROWS["logits"]))
    is_seen = np.array([1, 1, 0, 0, 0, 0, 0])
    wanted = -2 * ROWS["weights"] * (errors - IMPUTED) / propensities / (1 + 0.5 + 2 + 1)
    np.testing.assert_allclose(found, np.where(is_seen, wanted, 0), rtol=1e-5)


def test_imputed_error_is_found_where_clicks_are_rarer_than_the_floor():
    # One of a hundred rows is clicked, and no propensity is below a twentieth.
    clicks = np.zeros(100, "float32")
    clicks[0] = 1
    imputed = tf.Variable(0.3)
    for _ in range(60):
        with tf.GradientTape() as tape:
            outputs = {
                "click": np.full(100, -4.6, "float32"),
                conditional_name("buy"): np.zeros(100, "float32"),
                imputed_error_name("buy"): tf.fill([100], 1.0) * imputed,
            }
            of_tasks = {"click": clicks, "buy": clicks}
            loss = chain_penalties(
                {"buy": "click"},
                ModelConfig(chain="escm2_dr", counterfactual_weight=1.0, propensity_floor=0.05),
                of_tasks,
                outputs,
                dict.fromkeys(of_tasks, np.ones(100, "float32")),
            )["buy"]
        imputed.assign_sub(tape.gradient(loss, imputed))
    # The error of even odds.
    assert float(imputed) == pytest.approx(np.log(2), abs=1e-4)


@pytest.mark.parametrize("chain", ["escm2_ips", "escm2_dr"])
def test_penalty_at_extreme_logits_has_finite_gradients(chain):
    logits = tf.constant([-100.0, 100, 100, -100, 100, -100, -100])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = penalties(-logits, logits, chain=chain)["buy"]
    assert np.isfinite(loss)
    assert np.isfinite(tape.gradient(loss, logits)).all()
