"""The search finds planted weights, keeps to the floors and says what it tried."""

import numpy as np
import pytest

from recsys_tf.score_fusion import (
    Geometric,
    ValidationLists,
    WeightedSum,
    fit_calibration,
    fit_fusion,
    make_score_fusion,
)

TASKS = ["click", "buy", "noise"]


@pytest.fixture
def lists(rng):
    """Purchases follow click + 3 buy, clicks follow click; buy is in units of a hundredth."""
    click, buy, noise = rng.random((3, 60, 25))
    worth = click + 3 * buy
    labels = {
        "buy": worth >= np.sort(worth, axis=1)[:, -3:-2],
        "click": click >= np.sort(click, axis=1)[:, -4:-3],
    }
    return ValidationLists({"click": click, "buy": buy / 100, "noise": noise}, labels)


@pytest.fixture
def fusion():
    return WeightedSum({"click": 1.0, "buy": 1.0, "noise": 1.0}, TASKS)


def measured(fusion, lists, task, k, twin):
    scores = np.asarray(fusion(lists.predictions, lists.is_candidate))
    values = [
        twin.ndcg(np.where(lists.is_candidate[u], scores[u], -np.inf), lists.labels[task][u], k)
        for u in range(len(scores))
    ]
    return np.mean([each for each in values if each is not None])


def test_planted_weights_are_found(lists, fusion):
    fit = fit_fusion(fusion, lists, goal="buy", k=5)
    assert fit.trials["ndcg_buy"][fit.best_trial] > 0.995
    weights = fit.fusion.weights
    assert weights["buy"] / weights["click"] == pytest.approx(300, rel=0.25)
    assert sum(map(abs, weights.values())) == pytest.approx(1)


def test_floor_is_kept_at_a_cost_of_the_goal(lists, fusion):
    free = fit_fusion(fusion, lists, goal="buy", k=5)
    before = free.trials.loc[free.best_trial]
    floor = (
        1
        + fit_fusion(fusion, lists, goal="buy", k=5, floors={"click": 0}).trials.loc[
            free.best_trial, "ndcg_click"
        ]
    ) / 2
    held = fit_fusion(fusion, lists, goal="buy", k=5, floors={"click": floor})
    after = held.trials.loc[held.best_trial]
    assert after["ndcg_click"] >= floor
    assert after["is_feasible"]
    assert after["ndcg_buy"] < before["ndcg_buy"]
    feasible = held.trials[held.trials["is_feasible"]]
    assert after["ndcg_buy"] == feasible["ndcg_buy"].max()


@pytest.mark.parametrize("name", ["geometric", "rank_fusion", "voting", "weighted_sum"])
def test_logged_values_are_those_of_the_fitted_fusion(name, lists, twin, rng):
    lists = ValidationLists(lists.predictions, lists.labels, rng.random((60, 25)) < 0.8)
    fusion = make_score_fusion(name, dict.fromkeys(TASKS, 1.0), TASKS)
    fit = fit_fusion(fusion, lists, goal="buy", k=4, floors={"click": 0.1}, num_trials=40)
    assert len(fit.trials) == 40
    best = fit.trials.loc[fit.best_trial]
    for task in ("buy", "click"):
        assert best[f"ndcg_{task}"] == pytest.approx(
            measured(fit.fusion, lists, task, 4, twin), abs=1e-4
        )
    assert best["ndcg_buy"] >= measured(fusion, lists, "buy", 4, twin) - 1e-4


@pytest.mark.parametrize("name", ["geometric", "rank_fusion", "voting", "weighted_sum"])
def test_task_that_says_the_same_of_all_is_worth_chance(name, rng):
    # As lists of one positive and sampled negatives are mostly made: the positive first.
    labels = np.zeros((300, 20))
    labels[:, 0] = 1
    real = rng.random((300, 20)) + 0.3 * labels
    lists = ValidationLists({"same": np.full((300, 20), 0.5), "real": real}, {"buy": labels})
    fusion = make_score_fusion(name, {"same": 1.0, "real": 1.0}, ["same", "real"])
    fit = fit_fusion(fusion, lists, goal="buy", k=5, num_trials=30)
    # The first trial is the constant task alone: each of 20 places is as likely.
    chance = sum(1 / np.log2(place + 1) for place in range(1, 6)) / 20
    assert fit.trials["ndcg_buy"][0] == pytest.approx(chance)
    assert fit.trials["ndcg_buy"][fit.best_trial] > 1.3 * chance
    assert fit.fusion.weights["real"] > 0


def test_one_vote_a_task_does_not_elect_by_column(rng):
    labels = np.zeros((200, 10))
    labels[:, 0] = 1
    lists = ValidationLists({"noise": rng.random((200, 10))}, {"buy": labels})
    fusion = make_score_fusion("voting", {"noise": 1.0}, ["noise"], num_places=1)
    # Nine of ten candidates have no vote, and mostly the success among them.
    fit = fit_fusion(fusion, lists, goal="buy", k=3, num_trials=1)
    chance = sum(1 / np.log2(place + 1) for place in range(1, 4)) / 10
    assert fit.trials["ndcg_buy"][0] == pytest.approx(chance, abs=0.06)


def test_same_seed_gives_the_same_trials_and_another_others(lists, fusion):
    first, again, other = (
        fit_fusion(fusion, lists, goal="buy", num_trials=50, seed=seed).trials for seed in (1, 1, 2)
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_sign_of_a_weight_is_kept(lists):
    fusion = WeightedSum({"click": 1.0, "noise": -1.0}, TASKS)
    trials = fit_fusion(fusion, lists, goal="buy", num_trials=60).trials
    assert (trials["weight_noise"] <= 0).all()
    assert (trials["weight_click"] >= 0).all()


def test_task_without_a_weight_gets_none(lists):
    fit = fit_fusion(WeightedSum({"click": 1.0}, TASKS), lists, goal="buy", num_trials=12)
    assert fit.fusion.weights == {"click": 1.0}
    assert fit.fusion.tasks == tuple(TASKS)


def test_options_and_calibrations_stay(lists, rng):
    calibration = fit_calibration("platt", rng.random(300), rng.random(300) < 0.5)
    fusion = Geometric({"click": 1.0, "buy": 1.0}, TASKS, {"click": calibration})
    fitted = fit_fusion(fusion, lists, goal="buy", num_trials=20).fusion
    assert fitted.calibrations["click"].whole == calibration.whole
    ranked = make_score_fusion("rank_fusion", {"click": 1.0}, TASKS, offset=3)
    assert fit_fusion(ranked, lists, goal="buy", num_trials=8).fusion.offset == 3


def test_given_lists_and_fusion_are_not_changed(lists, fusion):
    before = {task: values.copy() for task, values in lists.predictions.items()}
    fit_fusion(fusion, lists, goal="buy", num_trials=20)
    for task, values in lists.predictions.items():
        np.testing.assert_array_equal(values, before[task])
    assert fusion.weights == {"click": 1.0, "buy": 1.0, "noise": 1.0}


def test_floors_out_of_reach_are_told_with_the_best_reached(lists, fusion):
    with pytest.raises(
        ValueError, match=r"none of 100 trials. Reached NDCG@5: 'click' at most 1.0000 \(floor 1\)"
    ):
        fit_fusion(
            fusion, lists, goal="buy", k=5, floors={"click": 1.0, "buy": 1.0}, num_trials=100
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"goal": "bui"}, "`goal` must be one of .* Did you mean 'buy'"),
        ({"floors": {"clik": 0.1}}, "`floors` must be one of .* Did you mean 'click'"),
        ({"floors": {"click": 1.5}}, "`floors` must be from 0 to 1, received 1.5"),
        ({"k": 0}, "`k` must be an integer of at least 1"),
        ({"num_trials": 0}, "`num_trials` must be an integer of at least 1"),
    ],
)
def test_faulty_goals_are_named(lists, fusion, changed, message):
    with pytest.raises(ValueError, match=message):
        fit_fusion(fusion, lists, **{"goal": "buy", **changed})


def test_goal_without_a_success_is_named(fusion):
    predictions = {task: [[0.1, 0.2]] for task in TASKS}
    lists = ValidationLists(predictions, {"buy": [[1, 0]]}, [[False, True]])
    with pytest.raises(ValueError, match="`labels` of 'buy' must hold at least one success"):
        fit_fusion(fusion, lists, goal="buy")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"predictions": {}}, "must name at least one task each"),
        ({"labels": {"buy": [[1]]}}, r"`labels of 'buy'` must be \[U, N\] .* \(1, 2\), received"),
        ({"predictions": {"a": [1.0]}}, r"`predictions of 'a'` must be \[U, N\]"),
        ({"predictions": {"a": [[np.nan, 1]]}}, "`predictions of 'a'` must be finite"),
        ({"scenarios": [1, 2]}, r"`scenarios` must be \[U\], \(1,\), received \(2,\)"),
    ],
)
def test_faulty_lists_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        ValidationLists(
            **{"predictions": {"a": [[0.1, 0.2]]}, "labels": {"buy": [[1, 0]]}, **changed}
        )
