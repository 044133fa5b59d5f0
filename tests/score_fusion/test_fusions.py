"""What every fusion keeps, and what each is by its definition."""

import json

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.score_fusion import (
    SCORE_FUSIONS,
    Geometric,
    RankFusion,
    Stacking,
    ValidationLists,
    Voting,
    fit_calibration,
    fit_fusion,
    make_score_fusion,
    score_fusion_from_dict,
    score_fusion_to_dict,
)

TASKS = ["click", "buy"]
WEIGHTS = {"click": 0.5, "buy": 2.0}


@pytest.fixture(params=sorted(SCORE_FUSIONS))
def fusion(request, rng):
    labels = rng.random(400) < 0.4
    calibrations = {
        "click": fit_calibration(
            "platt", rng.random(400), labels, np.arange(400) % 2, is_probability=True
        ),
        "buy": fit_calibration("isotonic", rng.random(400), labels),
    }
    return make_score_fusion(request.param, WEIGHTS, TASKS, calibrations)


@pytest.fixture(params=sorted(SCORE_FUSIONS))
def plain(request):
    return make_score_fusion(request.param, WEIGHTS, TASKS)


@pytest.fixture
def predictions(rng):
    return {task: rng.random((3, 7)).astype("float32") for task in TASKS}


def rows(predictions, row):
    return [predictions[task][row].tolist() for task in TASKS]


# Each by its definition


def test_geometric_is_the_root_of_the_product_of_powers(predictions, twin):
    found = Geometric(WEIGHTS, TASKS)(predictions)
    wanted = [
        [
            twin.geometric([predictions[t][row, i] for t in TASKS], WEIGHTS.values())
            for i in range(7)
        ]
        for row in range(3)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_geometric_orders_items_without_a_chance_in_one_task_by_the_others():
    scores = Geometric({"click": 1.0, "buy": 2.0}, TASKS)(
        {"click": [[0.2, 0.4, 0.0]], "buy": [[0.0, 0.0, 0.0]]}
    ).numpy()[0]
    assert scores[1] > scores[0] > scores[2] > 0


def test_geometric_orders_items_whose_product_float32_cannot_hold(tmp_path):
    # Purchases of 1e-6 to the 10th: e^-138, where float32 ends at e^-103.
    predictions = {
        "click": tf.constant([[0.1, 0.2, 0.3, 0.3]]),
        "buy": tf.constant([[1e-6, 1e-6, 1e-6, 2e-6]]),
    }
    fusion = Geometric({"click": 1.0, "buy": 10.0}, TASKS)
    assert (np.diff(fusion(predictions)[0]) > 0).all()
    tf.saved_model.save(_Served(fusion), str(tmp_path))
    score = tf.saved_model.load(str(tmp_path)).score
    served = score(*predictions.values(), tf.fill([1, 4], True), tf.constant([0]))
    assert (np.diff(served[0]) > 0).all()


def test_geometric_without_powers_says_the_same_of_all():
    scores = Geometric({"click": 0.0}, TASKS)({"click": [[0.0, 0.5]]})
    np.testing.assert_array_equal(scores, [[1, 1]])


def test_geometric_with_a_negative_power_of_0_is_finite():
    scores = Geometric({"click": 1.0, "buy": -5.0}, TASKS)({"click": [[1.0]], "buy": [[0.0]]})
    assert np.isfinite(scores).all()


def test_rank_fusion_by_hand():
    # Ranks by click 1, 2, 3 and by buy 3, 1, 2.
    predictions = {"click": [[0.9, 0.5, 0.1]], "buy": [[0.1, 0.3, 0.2]]}
    found = RankFusion({"click": 1.0, "buy": 2.0}, TASKS)(predictions)
    wanted = [[1 / 61 + 2 / 63, 1 / 62 + 2 / 61, 1 / 63 + 2 / 62]]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_ranks_with_ties_are_those_of_the_definition(rng, twin):
    predictions = {t: rng.integers(0, 4, (3, 9)).astype("float32") for t in TASKS}
    ranked = RankFusion(WEIGHTS, TASKS, offset=2)(predictions)
    voted = Voting(WEIGHTS, TASKS)(predictions)
    three = Voting(WEIGHTS, TASKS, num_places=3)(predictions)
    for row in range(3):
        values, weights = rows(predictions, row), WEIGHTS.values()
        np.testing.assert_allclose(
            ranked[row], twin.reciprocal_rank_fusion(values, weights, 2), rtol=1e-6
        )
        np.testing.assert_allclose(voted[row], twin.borda(values, weights, 9), rtol=1e-6)
        np.testing.assert_allclose(three[row], twin.borda(values, weights, 3), rtol=1e-6)


@pytest.mark.parametrize("name", ["rank_fusion", "voting"])
def test_what_is_no_candidate_takes_no_rank(name):
    fusion = make_score_fusion(name, WEIGHTS, TASKS)
    wanted = fusion({"click": [[0.3, 0.6]], "buy": [[0.2, 0.1]]})
    found = fusion(
        {"click": [[0.3, 0.9, 0.6]], "buy": [[0.2, 0.15, 0.1]]},
        is_candidate=[[True, False, True]],
    )
    np.testing.assert_allclose(found.numpy()[:, [0, 2]], wanted, rtol=1e-6)


def test_one_vote_a_task_elects_the_favourite_of_most():
    fusion = Voting({"a": 1.0, "b": 1.0, "c": 1.0}, ["a", "b", "c"], num_places=1)
    votes = fusion({"a": [[0.9, 0.1, 0.5]], "b": [[0.2, 0.1, 0.8]], "c": [[0.3, 0.2, 0.9]]})
    np.testing.assert_array_equal(votes, [[1, 0, 2]])


def test_stacking_finds_the_planted_weights(rng, twin):
    click, rating = rng.uniform(0.05, 0.95, 20_000), rng.uniform(1, 5, 20_000)
    odds = 1.5 * np.log(click / (1 - click)) + 0.5 * rating - 2
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-odds))).astype(float)
    rows = {"click": click, "rating": rating}
    fusion = Stacking.fit(rows, labels, probability_tasks=["click"])
    assert fusion.weights["click"] == pytest.approx(1.5, abs=0.06)
    assert fusion.weights["rating"] == pytest.approx(0.5, abs=0.05)
    found = float(fusion({"click": [[0.3]], "rating": [[4.0]]})[0, 0])
    line = fusion.weights["click"] * twin.log_odds(0.3) + fusion.weights["rating"] * 4
    assert found == pytest.approx(twin.sigmoid(line + fusion.bias), abs=1e-6)


def test_stacking_is_at_the_optimum_of_its_loss(rng):
    rows = {"a": rng.normal(size=500) * 9, "b": rng.normal(size=500)}
    labels = (rng.random(500) < 0.3).astype(float)
    labels[::7] = np.nan
    fusion = Stacking.fit(rows, labels, l2=3.0)
    kept = ~np.isnan(labels)
    inputs = np.stack([np.float32(rows[t][kept]).astype(float) for t in ("a", "b")], 1)
    weights = np.array([fusion.weights["a"], fusion.weights["b"]])
    residuals = 1 / (1 + np.exp(-(inputs @ weights + fusion.bias))) - labels[kept]
    slopes = inputs.T @ residuals + 3.0 * inputs.std(axis=0) ** 2 * weights
    np.testing.assert_allclose(slopes / kept.sum(), 0, atol=1e-5)
    assert residuals.mean() == pytest.approx(0, abs=1e-7)


def test_stacking_of_ratings_is_ridge_regression(rng):
    a, b = rng.normal(size=300), rng.normal(size=300)
    fusion = Stacking.fit({"a": a, "b": b}, 2 * a - b + 3, is_logistic=False, l2=0.0)
    assert fusion.weights == pytest.approx({"a": 2.0, "b": -1.0}, abs=1e-5)
    assert fusion.bias == pytest.approx(3.0, abs=1e-5)


def by_scenario(rng):
    """In scenario 1 a prediction means less than a third of what it means in scenario 0."""
    click, scenarios = rng.uniform(0.05, 0.95, 4000), rng.integers(0, 2, 4000)
    shares = np.where(scenarios == 0, click, 0.3 * click)
    labels = (rng.random(4000) < shares).astype(float)
    return click, scenarios, labels, fit_calibration("platt", click, labels, scenarios)


def test_stacking_learns_of_the_values_that_its_calibrations_serve_by_scenario(rng):
    click, scenarios, labels, calibration = by_scenario(rng)
    labels[::5] = np.nan
    options = {"probability_tasks": ["click"], "l2": 0.0}
    fusion = Stacking.fit(
        {"click": click},
        labels,
        calibrations={"click": calibration},
        scenarios=scenarios,
        **options,
    )
    own = Stacking.fit({"click": calibration.apply(click, scenarios)}, labels, **options)
    assert fusion.weights["click"] == pytest.approx(own.weights["click"], rel=1e-4)
    assert fusion.bias == pytest.approx(own.bias, abs=1e-4)
    # What is calibrated already is nearly left as it is.
    assert fusion.weights["click"] == pytest.approx(1.0, abs=0.15)


def test_weights_are_not_fitted_by_scenario_without_scenarios(rng):
    click, scenarios, labels, calibration = by_scenario(rng)
    calibrations = {"click": calibration}
    text = "`scenarios` must be given, as the calibration of 'click' has curves by scenario"
    with pytest.raises(ValueError, match=text):
        Stacking.fit({"click": click}, labels, calibrations=calibrations)
    lists = ValidationLists({"click": [[0.1, 0.2]]}, {"click": [[1, 0]]})
    with pytest.raises(ValueError, match=text):
        fit_fusion(Geometric({"click": 1.0}, ["click"], calibrations), lists, goal="click")
    with pytest.raises(
        ValueError, match=r"`scenarios` must be \[rows\], \(4000,\), received \(1,\)"
    ):
        Stacking.fit({"click": click}, labels, calibrations=calibrations, scenarios=scenarios[:1])


def test_stacking_gives_a_task_that_says_nothing_no_weight(rng):
    rows = {"a": rng.normal(size=300), "same": np.full(300, 7.0)}
    fusion = Stacking.fit(rows, (rows["a"] > 0).astype(float))
    assert fusion.weights["same"] == 0
    assert np.isfinite(fusion.bias)


# What all keep


def test_score_rises_with_each_prediction(plain, rng):
    for task in TASKS:
        predictions = {t: np.full((1, 6), 0.3, "float32") for t in TASKS}
        predictions[task] = np.linspace(0.05, 0.95, 6, dtype="float32")[np.newaxis]
        assert (np.diff(plain(predictions).numpy()[0]) > 0).all()


def test_candidates_in_another_order_get_their_own_scores(fusion, predictions, rng):
    order = rng.permutation(7)
    found = fusion({task: values[:, order] for task, values in predictions.items()})
    np.testing.assert_allclose(found, fusion(predictions).numpy()[:, order], rtol=1e-6)


def test_requests_do_not_know_of_each_other(fusion, predictions):
    together = fusion(predictions, scenario=tf.constant([0, 1, 5])).numpy()
    for row, scenario in enumerate([0, 1, 5]):
        alone = fusion(
            {task: values[row : row + 1] for task, values in predictions.items()},
            scenario=tf.constant([scenario]),
        )
        np.testing.assert_allclose(alone, together[row : row + 1], rtol=1e-6)


def test_calibrated_values_are_joined(fusion, predictions):
    name = score_fusion_to_dict(fusion)["name"]
    calibrated = {t: fusion.calibrations[t].apply(predictions[t]) for t in TASKS}
    wanted = make_score_fusion(name, WEIGHTS, TASKS)(calibrated)
    np.testing.assert_allclose(fusion(predictions), wanted, rtol=1e-5)


def test_saved_as_json_and_read_again_it_is_the_same(fusion, predictions):
    values = json.loads(json.dumps(score_fusion_to_dict(fusion)))
    again = score_fusion_from_dict(values)
    assert type(again) is type(fusion)
    assert score_fusion_to_dict(again) == score_fusion_to_dict(fusion)
    scenario = tf.constant([0, 1, 1])
    np.testing.assert_array_equal(
        again(predictions, scenario=scenario), fusion(predictions, scenario=scenario)
    )


class _Served(tf.Module):
    """A fusion as a SavedModel's signature holds it."""

    def __init__(self, fusion):
        super().__init__()
        self._fusion = fusion

    @tf.function(
        autograph=False,
        input_signature=[
            *[tf.TensorSpec([None, None], tf.float32)] * 2,
            tf.TensorSpec([None, None], tf.bool),
            tf.TensorSpec([None], tf.int32),
        ],
    )
    def score(self, click, buy, is_candidate, scenario):
        return self._fusion({"click": click, "buy": buy}, is_candidate, scenario)


def test_saved_model_gives_the_same_scores_for_any_sizes(fusion, predictions, tmp_path):
    tf.saved_model.save(_Served(fusion), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for num_rows, num in ((3, 7), (1, 1), (0, 4)):
        some = {task: values[:num_rows, :num] for task, values in predictions.items()}
        some |= {task: np.resize(values, (num_rows, num)) for task, values in some.items()}
        is_candidate = np.arange(num_rows * num).reshape(num_rows, num) % 3 < 2
        scenario = tf.constant([0, 1, 9][:num_rows], tf.int32)
        found = loaded.score(some["click"], some["buy"], tf.constant(is_candidate), scenario)
        wanted = fusion(some, is_candidate, scenario)
        assert found.shape == (num_rows, num)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


# Errors


def test_unknown_fusion_is_named():
    with pytest.raises(ValueError, match="`score_fusion` must be one of .* Did you mean 'voting'"):
        make_score_fusion("votin", WEIGHTS, TASKS)


def test_unknown_tasks_are_named(plain):
    for changed, message in (
        ({"weights": {"clik": 1.0}}, "`score_weights` .*Did you mean 'click'"),
        ({"calibrations": {"bui": None}}, "`calibrations` .*Did you mean 'buy'"),
        ({"weights": {"click": float("nan")}}, "`weights` must be finite, received nan .*'click'"),
        ({"weights": {}}, "at least one of the tasks"),
    ):
        with pytest.raises(ValueError, match=message):
            type(plain)(**{"weights": WEIGHTS, "tasks": TASKS, **changed})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RankFusion(WEIGHTS, TASKS, offset=-1), "`offset` must be a number above -1"),
        (lambda: Voting(WEIGHTS, TASKS, num_places=0), "`num_places` must be an integer of at"),
        (lambda: Stacking(WEIGHTS, TASKS, bias=float("inf")), "`bias` must be finite"),
        (
            lambda: Stacking(WEIGHTS, TASKS, probability_tasks=["clicks"]),
            "`probability_tasks` .*Did you mean 'click'",
        ),
        (lambda: Voting(WEIGHTS, TASKS)({"click": [0.1], "buy": [0.1]}), "must have rank 2"),
        (lambda: Stacking.fit({"a": [0.1, 0.2]}, [1.0]), "`predictions` of 'a' and `labels`"),
        (lambda: Stacking.fit({"a": [0.1, np.nan]}, [1.0, 0]), "of 'a' must be finite"),
        (lambda: Stacking.fit({"a": [0.1, 0.2]}, [1.0, 1]), r"must differ, received \[1.0\]"),
        (lambda: Stacking.fit({"a": [0.1, 0.2]}, [np.nan] * 2), r"must differ, received \[\]"),
        (lambda: Stacking.fit({"a": [0.1, 0.2]}, [1.0, 5]), "give `is_logistic=False`"),
        (lambda: Stacking.fit({"a": [0.1, 0.2]}, [1.0, 0], l2=-1), "`l2` must be at least 0"),
    ],
)
def test_faulty_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
