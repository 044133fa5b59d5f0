"""Calibrations are fitted right, never fall, and are the same in NumPy, in a graph and on disk."""

import json

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.score_fusion.calibration import (
    CALIBRATIONS,
    IsotonicCalibration,
    PlattCalibration,
    TemperatureCalibration,
    calibration_from_dict,
    calibration_to_dict,
    fit_calibration,
)
from recsys_tf.score_fusion.calibration.log_odds import LogOddsCalibration


@pytest.fixture(params=sorted(CALIBRATIONS))
def name(request):
    return request.param


@pytest.fixture
def rows(rng):
    """Predictions that are too sure, twice so in scenario 1; scenario 4 has 20 rows."""
    chance = rng.beta(1, 3, 4000)
    scenarios = np.where(np.arange(4000) < 20, 4, np.arange(4000) % 2)
    odds = np.log(chance / (1 - chance)) * np.where(scenarios == 1, 3, 1.5) + 0.5
    return 1 / (1 + np.exp(-odds)), (rng.random(4000) < chance).astype(float), scenarios


def ece(predictions, labels, bins=10):
    order = np.argsort(predictions)
    parts = np.array_split(order, bins)
    return np.mean([abs(predictions[part].mean() - labels[part].mean()) for part in parts])


# Fit


def test_calibrated_predictions_say_what_labels_say(name, rows):
    predictions, labels, _ = rows
    calibration = fit_calibration(name, predictions, labels)
    assert ece(calibration.apply(predictions), labels) < 0.7 * ece(predictions, labels)


def test_isotonic_is_the_min_max_formula(rng, twin):
    predictions = np.round(rng.random(60), 1)
    labels = rng.integers(0, 6, 60).astype(float)
    wanted = twin.isotonic(predictions.tolist(), labels.tolist())
    calibration = fit_calibration("isotonic", predictions, labels)
    np.testing.assert_allclose(calibration.apply(list(wanted)), list(wanted.values()), rtol=1e-12)


def test_isotonic_by_hand():
    # 3 and 1 stand the wrong way round, 2; then 4 alone. Between 2 and 4 a straight line.
    calibration = fit_calibration("isotonic", [1, 2, 3, 5], [0, 3, 1, 4])
    np.testing.assert_allclose(
        calibration.apply([0, 1, 1.5, 2, 2.5, 3, 4, 5, 9]), [0, 0, 1, 2, 2, 2, 3, 4, 4]
    )
    assert calibration.whole == {"knots": [1, 2, 3, 5], "values": [0, 2, 2, 4]}


def test_isotonic_keeps_only_the_ends_of_a_block():
    labels = [0, 1, 0, 1, 0, 1]
    calibration = fit_calibration("isotonic", [0.5, 1, 1.5, 2, 2.5, 3], labels)
    assert calibration.whole == {"knots": [0.5, 1, 2.5, 3], "values": [0, 0.5, 0.5, 1]}


def test_isotonic_of_predictions_that_contradict_the_labels_is_their_mean():
    calibration = fit_calibration("isotonic", [1, 2, 3], [4, 2, 0])
    np.testing.assert_allclose(calibration.apply([0, 2, 9]), [2, 2, 2])


def test_platt_is_at_the_optimum_of_its_loss(rows):
    predictions, labels, _ = rows
    curve = fit_calibration("platt", predictions, labels).whole
    p = np.float32(predictions).astype(float)
    odds = np.log(p / (1 - p))
    ones = labels.sum()
    targets = np.where(labels, (ones + 1) / (ones + 2), 1 / (len(labels) - ones + 2))
    residuals = 1 / (1 + np.exp(-(curve["slope"] * odds + curve["intercept"]))) - targets
    np.testing.assert_allclose([residuals.mean(), (residuals * odds).mean()], 0, atol=1e-6)


def test_platt_makes_a_probability_of_a_dot_product(rng):
    scores = rng.normal(size=20_000) * 5
    labels = rng.random(20_000) < 1 / (1 + np.exp(-(0.4 * scores - 1)))
    curve = fit_calibration("platt", scores, labels, is_probability=False).whole
    assert curve == pytest.approx({"slope": 0.4, "intercept": -1}, abs=0.05)


def test_temperature_is_the_one_that_was_planted(rng):
    odds = rng.normal(size=20_000) * 4
    labels = rng.random(20_000) < 1 / (1 + np.exp(-odds / 2.5))
    curve = fit_calibration("temperature", 1 / (1 + np.exp(-odds)), labels).whole
    assert curve == pytest.approx({"temperature": 2.5}, abs=0.1)


@pytest.mark.parametrize("contradicting", ["platt", "temperature"])
def test_order_survives_labels_that_contradict_it(contradicting):
    calibration = fit_calibration(contradicting, [0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0])
    assert (np.diff(calibration.apply([0.1, 0.4, 0.9])) > 0).all()


def test_rows_without_a_label_are_left_out(name, rows):
    predictions, labels, _ = rows
    more = np.concatenate([predictions, [0.01, np.nan]]), np.concatenate([labels, [np.nan] * 2])
    wanted = fit_calibration(name, predictions, labels)
    assert fit_calibration(name, *more).get_config() == wanted.get_config()


def test_each_scenario_has_its_curve_and_a_small_one_that_of_all(name, rows):
    predictions, labels, scenarios = rows
    calibration = fit_calibration(name, predictions, labels, scenarios)
    assert sorted(calibration.by_scenario) == [0, 1]
    whole = fit_calibration(name, predictions, labels)
    assert calibration.whole == whole.whole
    own = scenarios == 1
    alone = fit_calibration(name, predictions[own], labels[own])
    found = calibration.apply(predictions, scenarios)
    np.testing.assert_array_equal(found[own], alone.apply(predictions[own]))
    np.testing.assert_array_equal(found[:20], whole.apply(predictions[:20]))


def test_scenario_with_one_class_takes_the_curve_of_all(name, rows):
    predictions, labels, scenarios = rows
    labels = np.where(scenarios == 1, 0.0, labels)
    assert sorted(fit_calibration(name, predictions, labels, scenarios).by_scenario) == [0]


# Application


def test_graph_gives_the_numbers_of_numpy(name, rows, rng):
    predictions, labels, scenarios = rows
    calibration = fit_calibration(name, predictions, labels, scenarios)
    asked = np.concatenate([predictions, [0, 1, 1e-30, 1 - 1e-7], rng.random(96)])
    asked = asked.reshape(41, 100).astype("float32")
    own = rng.integers(-1, 7, 41)
    function = tf.function(calibration, autograph=False)
    found = function(tf.constant(asked), tf.constant(own))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, calibration.apply(asked, own), atol=1e-6, rtol=0)
    np.testing.assert_allclose(
        function(tf.constant(asked)), calibration.apply(asked), atol=1e-6, rtol=0
    )
    np.testing.assert_allclose(
        function(tf.constant(asked[:, 0]), tf.constant(own)),
        calibration.apply(asked[:, 0], own),
        atol=1e-6,
        rtol=0,
    )
    np.testing.assert_allclose(
        function(tf.constant(asked[:, 0])), calibration.apply(asked[:, 0]), atol=1e-6, rtol=0
    )


def test_isotonic_is_interpolation_between_its_knots(twin, rng):
    curve = {"knots": [-1.0, 0.5, 0.5000001, 4.0], "values": [0.0, 0.2, 0.9, 0.9]}
    calibration = IsotonicCalibration(curve)
    asked = np.float32(rng.uniform(-2, 5, 50))
    wanted = [twin.interpolate(x, curve["knots"], curve["values"]) for x in asked.astype(float)]
    np.testing.assert_allclose(calibration.apply(asked), wanted, atol=1e-12)
    np.testing.assert_allclose(calibration(asked), wanted, atol=1e-6)


def test_isotonic_of_one_knot_is_constant():
    calibration = IsotonicCalibration({"knots": [0.5], "values": [0.3]})
    np.testing.assert_allclose(calibration([[0.1, 0.5, 0.9]]), [[0.3] * 3], rtol=1e-6)
    np.testing.assert_allclose(calibration.apply([0.1, 0.5, 0.9]), [0.3] * 3)


def test_no_curve_ever_falls(name, rows):
    predictions, labels, scenarios = rows
    calibration = fit_calibration(name, predictions, labels, scenarios)
    asked = np.tile(np.linspace(0, 1, 2001, dtype="float32"), (3, 1))
    for found in (
        calibration.apply(asked, np.array([0, 1, 2])),
        calibration(asked, tf.constant([0, 1, 2])).numpy(),
    ):
        assert (np.diff(found, axis=1) >= 0).all()
        assert ((found >= 0) & (found <= 1)).all()


def test_no_rows_give_no_rows(name, rows):
    calibration = fit_calibration(name, *rows)
    assert calibration(np.zeros((0, 5), "float32"), np.zeros(0, "int32")).shape == (0, 5)
    assert calibration(np.zeros(0, "float32")).shape == (0,)
    assert calibration.apply(np.zeros((0, 5))).shape == (0, 5)


def test_saved_as_json_and_read_again_it_is_the_same(name, rows):
    predictions, labels, scenarios = rows
    calibration = fit_calibration(name, predictions, labels, scenarios)
    values = json.loads(json.dumps(calibration_to_dict(calibration)))
    again = calibration_from_dict(values)
    assert type(again) is type(calibration)
    np.testing.assert_array_equal(
        again.apply(predictions, scenarios), calibration.apply(predictions, scenarios)
    )


# Errors


def test_line_in_log_odds_is_none_without_slope_and_intercept():
    with pytest.raises(TypeError, match="abstract"):
        LogOddsCalibration({})


def test_unknown_calibration_is_named():
    with pytest.raises(ValueError, match="`calibration` must be one of .* Did you mean 'platt'"):
        fit_calibration("plat", [0.1], [1])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": [1.0]}, r"`predictions` must have the shape of `labels`, \(1,\)"),
        ({"labels": [np.nan] * 3}, "`labels` must hold at least one label"),
        ({"labels": [1.0] * 3}, "`labels` must differ, received 1 in all 3"),
        ({"predictions": [0.1, np.nan, 0.2]}, "`predictions` must be finite"),
        ({"scenarios": [0, 1]}, "`scenarios` must have the shape of `labels`"),
        ({"scenarios": [-1] * 3, "min_rows": 2}, "indices of 0 or more, received -1"),
    ],
)
def test_faulty_rows_are_named(name, changed, message):
    rows = {"predictions": [0.1, 0.5, 0.6], "labels": [0.0, 1.0, 1.0]}
    with pytest.raises(ValueError, match=message):
        fit_calibration(name, **{**rows, **changed})


@pytest.mark.parametrize("log_odds", ["platt", "temperature"])
def test_ratings_are_sent_to_isotonic(log_odds):
    with pytest.raises(ValueError, match="from 0 to 1 .* received 1 to 5; use 'isotonic'"):
        fit_calibration(log_odds, [0.1, 0.5], [1, 5])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PlattCalibration({"slope": 0.0, "intercept": 1.0}), "`slope` must be above 0"),
        (lambda: PlattCalibration({"slope": 1.0}), "must hold slope, intercept, received 'slope'"),
        (lambda: TemperatureCalibration({"temperature": -1.0}), "`temperature` must be above 0"),
        (lambda: IsotonicCalibration({"knots": [1, 1], "values": [0, 1]}), "`knots` must rise"),
        (lambda: IsotonicCalibration({"knots": [1, 2], "values": [1, 0]}), "`knots` must rise"),
        (lambda: IsotonicCalibration({"knots": [], "values": []}), "received 0 knots"),
    ],
)
def test_faulty_curves_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
