"""Weights are learned of the candidates as they are served, and go into the SavedModel."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.config import AnswerGoal, ExportConfig
from recsys_tf.export import (
    ServedRecommender,
    export_saved_model,
    fit_answer,
    fit_configured_answer,
    fit_stacked_answer,
    raw_queries,
    validation_lists,
)
from recsys_tf.metrics import log_loss, ndcg
from recsys_tf.score_fusion import score_fusion_from_dict

CONFIG = ExportConfig(
    num_candidates=30,
    max_k=30,
    calibration={"click": "platt"},
    calibrate_by_scenario=True,
    min_calibration_rows=20,
)


@pytest.fixture(scope="module")
def requests(small_data):
    """Who clicked in the validation rows: users, their first rows, and what they clicked then."""
    schema, events = small_data.schema, small_data.interactions.events
    rows = small_data.rows("validation")
    held_out = events.iloc[rows].assign(row=rows)
    clicked = held_out[held_out["click"] == 1].groupby(schema.user_id)["item_id"].agg(set)
    first = held_out.sort_values("timestamp", kind="stable").groupby(schema.user_id)["row"].first()
    users = [each for each in small_data.interactions.users[schema.user_id] if each in clicked]
    return users, [first[user] for user in users], [clicked[user] for user in users]


@pytest.fixture(scope="module")
def queries(small_data, requests):
    """Raw inputs of those requests, by their context and what was known then."""

    def made(served):
        users, rows, _ = requests
        context = [each.name for each in small_data.schema.query_features if each.side == "context"]
        events = small_data.interactions.events.iloc[rows]
        return raw_queries(
            served,
            small_data.interactions,
            users,
            inputs={name: events[name].tolist() for name in context},
            known_rows=small_data.known_rows("validation"),
        )

    return made


@pytest.fixture(scope="module")
def fit(trained, small_data):
    return fit_answer(
        trained[0], small_data, CONFIG, goal="click", k=5, floors={"like": 0.01}, num_trials=40
    )


@pytest.fixture(scope="module")
def served(trained, small_data, fit):
    return ServedRecommender(
        trained[0],
        small_data.preprocessor,
        small_data.catalogue,
        fit.config,
        calibrations=fit.calibrations,
    )


def test_lists_hold_what_would_be_answered(served, small_data, requests, queries):
    lists = validation_lists(served, small_data, ["click"])
    users, _, clicked = requests
    answer = served.recommend(queries(served), tf.constant([30]))
    ids = answer["item_ids"].numpy()
    assert lists.mask.shape == (len(users), 30)
    for place, items in enumerate(clicked):
        own, is_item = lists.mask[place], ids[place] != b""
        for task in ("watch", "click", "rating"):
            np.testing.assert_allclose(
                np.sort(lists.predictions[task][place][own]),
                np.sort(answer[task].numpy()[place][is_item]),
                rtol=1e-4,
                atol=1e-5,
            )
        found = {each.decode() for each in ids[place][is_item]}
        assert lists.labels["click"][place].sum() == len(found & items)


def test_fitted_weights_answer_in_the_saved_model_as_they_were_measured(
    served, small_data, fit, requests, queries, tmp_path
):
    folder = export_saved_model(served, tmp_path / "1")
    fusion = json.loads((folder / "assets.extra" / "score_fusion.json").read_text())
    assert score_fusion_from_dict(fusion).weights == fit.config.score_weights
    recommend = tf.saved_model.load(str(folder)).signatures["recommend"]
    ids = recommend(**queries(served), k=tf.constant([5]))["item_ids"].numpy()
    hits = np.array(
        [
            [each.decode() in items for each in own]
            for own, items in zip(ids, requests[2], strict=True)
        ]
    )
    num_relevant = validation_lists(served, small_data, ["click"]).num_relevant("click")
    best = fit.trials.loc[fit.best_trial]
    assert np.nanmean(ndcg(hits, num_relevant, 5)) == pytest.approx(best["ndcg_click"], abs=1e-3)
    assert best["ndcg_like"] >= 0.01
    feasible = fit.trials[fit.trials["is_feasible"]]
    assert best["ndcg_click"] == feasible["ndcg_click"].max()


def test_configuration_keeps_all_but_the_weights(fit, served):
    assert fit.config == CONFIG.model_copy(update={"score_weights": fit.config.score_weights})
    assert set(fit.config.score_weights) == set(served.answer_tasks)
    assert fit.calibrations["click"].by_scenario
    assert len(fit.trials) == 40


def test_tasks_and_signs_of_given_weights_are_kept(trained, small_data):
    config = ExportConfig(num_candidates=20, score_weights={"click": 1.0, "watch": -1.0})
    found = fit_answer(trained[0], small_data, config, goal="watch", num_trials=12, max_requests=9)
    assert list(found.config.score_weights) == ["click", "watch"]
    assert found.config.score_weights["watch"] <= 0


def test_requests_are_drawn_by_the_seed(served, small_data):
    first, again, other = (
        validation_lists(served, small_data, ["click"], max_requests=7, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.mask.shape[0] == 7
    np.testing.assert_array_equal(first.predictions["click"], again.predictions["click"])
    assert np.any(first.predictions["click"] != other.predictions["click"])


def test_stacked_answer_serves_the_probability_that_was_learned(
    trained, small_data, queries, requests
):
    model = trained[0]
    stacked = fit_stacked_answer(model, small_data, CONFIG, goal="purchase")
    served = ServedRecommender(
        model,
        small_data.preprocessor,
        small_data.catalogue,
        stacked.config,
        calibrations=stacked.calibrations,
    )
    # On the rows that it was learned of, no worse than the task's own prediction.
    batches = small_data.dataset("validation")
    scenarios = np.concatenate([each["surface"] for each, *_ in batches])
    predictions = model.predict(batches.map(lambda rows, *_: rows), verbose=0)
    tasks = {name: predictions[name] for name in served.answer_tasks}
    learned = np.asarray(served.fusion(tasks, scenario=tf.constant(scenarios)))
    rows = small_data.split.validation
    labels = small_data.interactions.events["purchase"].to_numpy(float)[rows]
    ones = np.ones(len(labels))
    assert log_loss(labels, learned, ones) <= log_loss(labels, predictions["purchase"], ones) + 1e-3
    assert learned.mean() == pytest.approx(labels.mean(), abs=0.01)
    answer = served.recommend(queries(served), tf.constant([5]))
    assert np.all((answer["scores"].numpy() > 0) & (answer["scores"].numpy() < 1))
    assert answer["scores"].shape == (len(requests[0]), 5)


def test_stacking_needs_a_task_with_a_label(trained, small_data):
    with pytest.raises(ValueError, match="`goal` must be one of .*Did you mean 'rating'"):
        fit_stacked_answer(trained[0], small_data, CONFIG, goal="ratin")


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"goal": "clck"}, "`goal` must be one of .*Did you mean 'click'"),
        ({"goal": "rating"}, "`goal` must be one of .*received 'rating'"),
        ({"goal": "click", "floors": {"lik": 0.1}}, "`floors` must be one of .*mean 'like'"),
    ],
)
def test_what_has_no_successes_is_no_goal(trained, small_data, changed, text):
    with pytest.raises(ValueError, match=text):
        fit_answer(trained[0], small_data, CONFIG, **changed)


def test_validation_rows_that_teach_nothing_are_refused(trained, small_data, served):
    data = dataclasses.replace(small_data, is_validation_trained=True)
    with pytest.raises(ValueError, match="`data` must have validation rows .* not trained on"):
        fit_answer(trained[0], data, CONFIG, goal="click")
    events = small_data.interactions.events.copy()
    events["purchase"] = 0.0
    interactions = dataclasses.replace(small_data.interactions, events=events)
    data = dataclasses.replace(small_data, interactions=interactions)
    with pytest.raises(ValueError, match="with a success of 'purchase', received none"):
        validation_lists(served, data, ["purchase"])


@pytest.mark.parametrize("is_excluded", [True, False])
def test_what_was_met_is_a_candidate_where_answers_hold_it(trained, small_data, is_excluded):
    num_items = len(small_data.catalogue)
    config = ExportConfig(num_candidates=num_items, max_k=num_items, is_seen_excluded=is_excluded)
    served = ServedRecommender(trained[0], small_data.preprocessor, small_data.catalogue, config)
    lists = validation_lists(served, small_data, ["click"])
    assert lists.is_candidate.all() != is_excluded


def test_goal_of_the_configuration_is_fitted_and_kept_beside_the_graph(
    trained, small_data, fit, tmp_path
):
    model, goal = trained[0], AnswerGoal(task="click", k=5, floors={"like": 0.01})
    found = fit_configured_answer(model, small_data, CONFIG.model_copy(update={"goal": goal}))
    # Each search begins with the same mixtures; the longer one finds nothing worse.
    tasks = ["ndcg_click", "ndcg_like"]
    np.testing.assert_allclose(found.trials[tasks][:6], fit.trials[tasks][:6], atol=1e-6)
    weights = found.config.score_weights
    assert found.config == CONFIG.model_copy(update={"score_weights": weights})
    preparation = small_data.preprocessor, small_data.catalogue
    served = ServedRecommender(model, *preparation, found.config, calibrations=found.calibrations)
    folder = export_saved_model(served, tmp_path / "1", answer_fit=found)
    saved = json.loads((folder / "assets.extra" / "answer_fit.json").read_text())
    assert saved["goal"] == {"task": "click", "k": 5, "floors": {"like": 0.01}}
    best = saved["trials"][saved["best_trial"]]
    assert {name: best[f"weight_{name}"] for name in weights} == pytest.approx(saved["weights"])
    assert saved["weights"] == served.fusion.weights == weights
    assert best["ndcg_like"] >= 0.01


def test_stacking_of_the_configuration_learns_the_goals_label(trained, small_data):
    config = ExportConfig(num_candidates=30, max_k=30, score_fusion="stacking")
    goal = AnswerGoal(task="rating")
    found = fit_configured_answer(trained[0], small_data, config.model_copy(update={"goal": goal}))
    by_hand = fit_stacked_answer(trained[0], small_data, config, goal="rating")
    assert found.config == by_hand.config
    assert found.config.fusion_options["is_logistic"] is False
    assert found.to_dict() == {"goal": goal.to_dict(), "weights": found.config.score_weights}


def test_nothing_is_fitted_where_nothing_is_asked():
    found = fit_configured_answer(None, None, ExportConfig())
    assert (found.config, found.calibrations, found.goal) == (ExportConfig(), {}, None)


def test_weights_that_are_yet_to_be_learned_answer_nothing(trained, small_data):
    config = ExportConfig(goal=AnswerGoal(task="click"))
    with pytest.raises(ValueError, match="`ExportConfig.goal` must be None .*received 'click'"):
        ServedRecommender(trained[0], small_data.preprocessor, small_data.catalogue, config)
