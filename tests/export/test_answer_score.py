"""The fusion that the configuration describes, and calibrations on validation rows alone."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.config import ExportConfig
from recsys_tf.export import ServedRecommender, calibrations_of_batches, fit_calibrations
from recsys_tf.export.answer_score import answer_score
from recsys_tf.export.calibrating import validation_labels
from recsys_tf.export.config_faults import check_export_labels
from recsys_tf.score_fusion import PlattCalibration, fit_calibration
from recsys_tf.spec import SpecError
from recsys_tf.training import build_recommender

TASKS = ["watch", "click", "rating"]


def test_fusion_takes_its_options():
    config = ExportConfig(
        score_fusion="stacking",
        score_weights={"click": 1.0},
        fusion_options={"probability_tasks": ("click",), "is_logistic": False, "bias": 0.5},
    )
    # The log odds of 0.5 are 0, so that the bias is left.
    assert float(answer_score(config, TASKS, "watch")({"click": 0.5})) == 0.5


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"score_fusion": "votin"}, "`score_fusion` must be one of .*Did you mean 'voting'"),
        ({"fusion_options": {"offset": 1}}, "`fusion_options` must be empty, as 'weighted_sum'"),
        (
            {"score_fusion": "rank_fusion", "fusion_options": {"ofset": 1}},
            "`fusion_options` must be one of 'offset', received 'ofset'",
        ),
        (
            {"calibration": {"click": "platt"}},
            "`calibrations` must hold .* received none for 'click'; fit them .*`fit_calibrations`",
        ),
    ],
)
def test_what_the_configuration_cannot_mean_is_told(config, text):
    with pytest.raises(ValueError, match=text):
        answer_score(ExportConfig(**config), TASKS, "watch")


def test_served_rank_fusion_is_that_of_the_tasks_ranks(make_served, asking, known):
    config = ExportConfig(
        num_candidates=60,
        max_k=60,
        score_fusion="rank_fusion",
        score_weights={"watch": 1.0, "purchase": 3.0},
        fusion_options={"offset": 2},
    )
    served = make_served(config, None)
    ask = asking(lambda k, **raw: served.recommend(raw, k), served)
    # The whole catalogue but the history is answered, so that all ranks are known.
    answer = ask(known[0][:1], known[1][:1], [60])
    is_item = answer["item_ids"].numpy()[0] != b""
    assert 2 < is_item.sum() < 60
    expected = 0
    for task, weight in config.score_weights.items():
        values = answer[task].numpy()[0][is_item]
        higher = (values[np.newaxis] > values[:, np.newaxis]).sum(axis=1)
        equal = (values[np.newaxis] == values[:, np.newaxis]).sum(axis=1)
        expected += weight / (2 + higher + (equal + 1) / 2)
    np.testing.assert_allclose(answer["scores"].numpy()[0][is_item], expected, rtol=1e-5)
    assert np.all(np.diff(expected) <= 1e-6)


# Calibrations


def test_calibrations_are_fitted_on_the_validation_rows(trained, small_data):
    config = ExportConfig(calibration={"click": "platt", "rating": "isotonic", "watch": "platt"})
    found = fit_calibrations(trained[0], small_data, config)
    assert list(found) == ["click", "rating", "watch"]
    events = small_data.interactions.events.iloc[small_data.split.validation]
    dataset = small_data.dataset("validation").map(lambda features, *_: features)
    predictions = trained[0].predict(dataset, verbose=0)
    for task, name, options in (
        ("click", "platt", {}),
        ("rating", "isotonic", {}),
        ("watch", "platt", {"is_probability": False}),
    ):
        label = "click" if task == "watch" else task
        own = fit_calibration(name, predictions[task], events[label].to_numpy(float), **options)
        assert found[task].get_config() == own.get_config()


def test_no_calibration_asks_for_no_rows(trained):
    assert fit_calibrations(trained[0], None, ExportConfig()) == {}
    assert calibrations_of_batches(trained[0], None, ExportConfig()) == {}


def test_rows_that_weigh_nothing_are_left_out(trained, small_data):
    def halved(features, labels, weights):
        is_kept = tf.cast(tf.range(tf.shape(weights["click"])[0]) % 2 == 0, tf.float32)
        return features, labels, {**weights, "click": is_kept}

    batches = small_data.dataset("validation")
    config = ExportConfig(calibration={"click": "platt"})
    found = calibrations_of_batches(trained[0], batches.map(halved), config)
    rows = small_data.split.validation
    labels = small_data.interactions.events["click"].to_numpy(float)[rows]
    predictions = trained[0].predict(batches.map(lambda features, *_: features), verbose=0)
    own = fit_calibration("platt", predictions["click"][::2], labels[::2])
    assert found["click"].get_config() == own.get_config()


def test_validation_rows_that_were_trained_on_are_refused(trained, small_data):
    data = dataclasses.replace(small_data, is_validation_trained=True)
    config = ExportConfig(calibration={"click": "platt"})
    with pytest.raises(ValueError, match="`data` must have validation rows .* not trained on"):
        fit_calibrations(trained[0], data, config)


@pytest.mark.parametrize(
    ("calibration", "text"),
    [
        ({"clck": "platt"}, "`calibration` must be one of .*Did you mean 'click'"),
        ({"genres_from_text": "platt"}, "`calibration` must be one of .*'genres_from_text'"),
        ({"click": "plat"}, "the task 'click': `calibration` must be one of .*mean 'platt'"),
        ({"rating": "platt"}, "the task 'rating': `labels` must be from 0 to 1.*'isotonic'"),
    ],
)
def test_what_cannot_be_calibrated_is_told(trained, small_data, calibration, text):
    with pytest.raises(ValueError, match=text):
        fit_calibrations(trained[0], small_data, ExportConfig(calibration=calibration))


def with_one_class(data, task):
    events = data.interactions.events.copy()
    column = data.schema.task(task).label
    events.iloc[data.split.validation, events.columns.get_loc(column)] = 0.0
    events.loc[events.index[data.split.validation[:3]], column] = np.nan
    interactions = dataclasses.replace(data.interactions, events=events)
    return dataclasses.replace(data, interactions=interactions)


@pytest.mark.parametrize(
    ("task", "calibration", "text"),
    [
        ("purchase", "isotonic", "must differ, received 0 in all {rows} labelled rows; take more"),
        ("rating", "platt", "must be from 0 to 1 for a calibration in log odds, received 1 to 5;"),
    ],
)
def test_labels_that_define_no_curve_are_told_before_the_training_as_after_it(
    trained, small_data, task, calibration, text
):
    config = ExportConfig(calibration={task: calibration, "click": "platt"})
    data = small_data if task == "rating" else with_one_class(small_data, task)
    text = f"`calibration` of the task '{task}': `labels` {text}"
    text = text.format(rows=len(data.split.validation) - 3)
    with pytest.raises(SpecError, match=f"1 fault:\n  export.calibration.{task}: {text}"):
        check_export_labels(config, data)
    run = data.config.model_copy(update={"export": config})
    with pytest.raises(SpecError, match=text):
        build_recommender(dataclasses.replace(data, config=run))
    with pytest.raises(ValueError, match=text):
        fit_calibrations(trained[0], data, config)


def test_labels_are_looked_at_where_a_calibration_is_fitted_to_them(small_data):
    data = with_one_class(small_data, "click")
    check_export_labels(ExportConfig(), data)
    config = ExportConfig(calibration={"click": "platt"})
    check_export_labels(config, dataclasses.replace(data, is_validation_trained=True))
    check_export_labels(config, small_data)


def test_labels_of_validation_rows_are_those_that_the_fitting_sees(small_data):
    tasks = [small_data.schema.task(name) for name in ("watch", "click", "rating")]
    found = validation_labels(small_data, tasks)
    events = small_data.interactions.events.iloc[small_data.split.validation]
    for task in tasks:
        np.testing.assert_array_equal(found[task.name], events[task.label].to_numpy(float))


def test_calibration_of_an_unknown_task_that_is_given_is_named(trained, small_data):
    given = {"clck": PlattCalibration({"slope": 1.0, "intercept": 0.0})}
    with pytest.raises(ValueError, match="`calibrations` must be one of .*Did you mean 'click'"):
        ServedRecommender(
            trained[0],
            small_data.preprocessor,
            small_data.catalogue,
            ExportConfig(),
            calibrations=given,
        )
