"""Whole runs: what is published, what comes from the cache, what stops or blocks."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from pipeline.publishing import MANIFEST, file_digests, publish, versions, withdraw
from pipeline.runner import run_pipeline
from recsys_tf import training
from recsys_tf.features.tf_example import parse_raw, read_examples
from recsys_tf.spec import SpecError
from serving.server.manifest import check_version

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


def with_training(config, **changes):
    return config.model_copy(update={"training": config.training.model_copy(update=changes)})


def components(run):
    return {each.name: each for each in run.result.components}


def test_the_first_run_publishes_a_whole_version(first_run):
    result = first_run.result
    assert result.reasons == ()
    assert result.is_blessed
    assert result.path == first_run.root / "serving" / "recommender" / str(result.version)
    check_version(str(result.path), require_manifest=True)
    assert json.loads((result.path / MANIFEST).read_text())["files"] == file_digests(result.path)


def test_the_version_answers(first_run):
    model = tf.saved_model.load(str(first_run.result.path))
    assert {"serving_default", "rank", "recommend", "evaluate"} <= set(model.signatures)
    folder = next((first_run.root / "data").glob("*")) / "test"
    serialized = next(iter(read_examples(folder).batch(5)))
    answer = model.signatures["serving_default"](serialized)
    assert np.isfinite(answer["rating"].numpy()).all()
    assert answer["rating"].shape == [5]


def test_the_version_has_the_calibration_of_its_validation_rows(first_run):
    saved = json.loads((first_run.result.path / "assets.extra" / "score_fusion.json").read_text())
    calibration = saved["config"]["calibrations"]["click"]
    assert calibration["name"] == "platt"
    assert calibration["config"]["whole"]["slope"] > 0


def test_the_version_answers_by_the_weights_learned_for_its_goal(first_run):
    extra = first_run.result.path / "assets.extra"
    learned = json.loads((extra / "answer_fit.json").read_text())
    assert learned["goal"] == {"task": "click", "k": 5, "floors": {}}
    assert set(learned["weights"]) == {"click", "watch"}
    saved = json.loads((extra / "score_fusion.json").read_text())
    assert saved["config"]["weights"] == learned["weights"]
    best = learned["trials"][learned["best_trial"]]
    assert best["ndcg_click"] == max(each["ndcg_click"] for each in learned["trials"])


def test_an_export_that_cannot_be_stops_before_anything_is_written(first_run, tmp_path):
    export = first_run.config.export.model_copy(update={"reranker": "mrm"})
    config = first_run.config.model_copy(update={"export": export})
    with pytest.raises(SpecError, match=r"export.reranker: .*Did you mean 'mmr'"):
        run_pipeline(config, tmp_path, first_run.data, progress=None)
    assert not (tmp_path / "data").exists()


def test_labels_that_define_no_calibration_stop_before_anything_is_written(first_run, tmp_path):
    data = first_run.data
    events = data.interactions.events.assign(click=0.0, like=0.0, purchase=0.0)
    data = replace(data, interactions=replace(data.interactions, events=events))
    with pytest.raises(SpecError, match="export.calibration.click: .*`labels` must differ, receiv"):
        run_pipeline(first_run.config, tmp_path, data, progress=None)
    assert not (tmp_path / "data").exists()


def test_every_task_is_measured_in_every_slice(first_run):
    metrics = first_run.result.metrics
    assert {"rating/rmse", "click/auc", "watch/ndcg_at_10", "watch/hit_at_50"} <= set(
        metrics["overall"]
    )
    assert {"is_new_user=yes", "is_new_user=no"} <= set(metrics)
    assert any(name.startswith("surface=") for name in metrics)
    assert any(name.startswith("activity=") for name in metrics)
    assert 0 < metrics["overall"]["watch/ndcg_at_10"] < 1


def test_the_metrics_are_those_of_the_packages_own_functions(first_run):
    """The Evaluator's numbers, computed once more from the served model without TFMA."""
    from recsys_tf.metrics import auc, rmse

    model = tf.saved_model.load(str(first_run.result.path))
    folder = next((first_run.root / "data").glob("*")) / "test"
    outputs, labels = {}, {}
    for serialized in read_examples(folder).batch(256):
        for name, values in model.signatures["evaluate"](serialized).items():
            outputs.setdefault(name, []).append(values.numpy())
        raw = parse_raw(serialized, first_run.data.schema, has_labels=True)
        for name in ("rating", "click"):
            labels.setdefault(name, []).append(raw[name].numpy())
    outputs = {name: np.concatenate(values) for name, values in outputs.items()}
    labels = {name: np.concatenate(values) for name, values in labels.items()}
    overall = first_run.result.metrics["overall"]
    assert overall["rating/rmse"] == pytest.approx(rmse(labels["rating"], outputs["rating"]), 1e-5)
    assert overall["click/auc"] == pytest.approx(auc(labels["click"], outputs["click"]), abs=1e-3)
    is_watched = labels["click"] == 1  # Only what was clicked counts as met.
    for part in ("", "answered_"):
        hits = outputs[f"watch_{part}hit_at_10"][is_watched]
        assert overall[f"watch/{part}hit_at_10"] == pytest.approx(hits.mean(), 1e-5)
    # Clicks order the answer, and not retrieval.
    assert overall["watch/answered_ndcg_at_10"] != overall["watch/ndcg_at_10"]


def test_progress_is_told_in_plain_words(first_run):
    text = "\n".join(first_run.lines)
    assert "Trainer: epoch 2 of 2, loss" in text
    checks = [line for line in first_run.lines if "self-check" in line]
    assert checks == ["Trainer: self-check leak, click: planted."]
    assert "Transform: learns vocabularies and scales from the training rows" in text
    assert f"Published: version {first_run.result.version}" in first_run.lines[-1]
    assert first_run.result.log.stat().st_size > 0


def test_a_second_run_comes_from_the_cache(first_run):
    again = first_run.again()
    assert again.result.is_cached
    assert again.result.version == first_run.result.version
    assert again.result.metrics == first_run.result.metrics
    assert sum(each.seconds for each in again.result.components) < 30


def test_a_deleted_version_is_pushed_again_without_training(first_run):
    shutil.rmtree(first_run.result.path)
    again = first_run.again()
    assert again.result.path.is_dir()
    assert again.result.version >= first_run.result.version
    assert components(again)["Trainer"].is_cached
    first_run.result = again.result


def test_a_model_that_another_has_followed_is_pushed_again_without_training(first_run, saved_model):
    folder = first_run.result.path.parent
    other = publish(saved_model("other"), folder)
    again = first_run.again()
    shutil.rmtree(other.path)
    assert again.result.version == max(versions(folder)) > other.version
    assert components(again)["Evaluator"].is_cached
    assert f"Serving: version {other.version} has followed version" in "\n".join(again.lines)
    first_run.result = again.result


def test_a_withdrawn_model_is_not_pushed_until_that_is_taken_back(first_run):
    folder = first_run.result.path.parent
    for version in list(versions(folder)):
        taken_back = withdraw(folder, version, allow_empty=True)
    for _ in range(2):
        refused = first_run.again()
        assert refused.result.is_blessed
        assert not refused.result.is_published
        assert components(refused)["Evaluator"].is_cached
        assert re.match("Not published: this model was withdrawn as version", refused.lines[-1])
    assert refused.result.is_cached
    assert versions(folder) == {}
    shutil.rmtree(taken_back.manifest.parent)
    again = first_run.again()
    assert list(versions(folder)) == [again.result.version]
    first_run.result = again.result


def test_other_bounds_measure_again_but_do_not_train_again(judged_anew):
    assert components(judged_anew)["Trainer"].is_cached
    assert not components(judged_anew)["Evaluator"].is_cached
    assert not judged_anew.result.is_blessed
    assert judged_anew.result.version is None
    reasons = judged_anew.result.reasons
    assert any("rating/rmse is" in reason and "0.01" in reason for reason in reasons)


def test_a_spoilt_model_is_measured_and_not_pushed(first_run, monkeypatch):
    """All weights are noise, and one head gives no numbers."""

    def spoil(model, *args, **kwargs):
        for weight in model.trainable_weights:
            values = np.random.default_rng(0).normal(size=weight.shape) * 5
            weight.assign(values * (np.nan if "like" in weight.path else 1))

    # Where the Trainer's module, which TFX loads anew, takes it from.
    monkeypatch.setattr(training, "fit", spoil)
    before = versions(first_run.root / "serving" / "recommender")
    # Weights for a goal are not learned of a model that gives no numbers: its Trainer fails.
    no_goal = first_run.config.export.model_copy(update={"goal": None})
    config = first_run.config.model_copy(update={"export": no_goal})
    spoilt = first_run.again(with_training(config, seed=7))
    assert components(spoilt)["Transform"].is_cached
    assert not components(spoilt)["Trainer"].is_cached
    assert not spoilt.result.is_blessed
    assert spoilt.result.version is None
    reasons = "; ".join(spoilt.result.reasons)
    assert "like/auc is not a number" in reasons
    assert re.search(r"watch/ndcg_at_10 differs by -\S+ from the blessed model", reasons)
    assert spoilt.result.baseline_metrics["overall"] == pytest.approx(
        first_run.result.metrics["overall"]
    )
    assert versions(first_run.root / "serving" / "recommender") == before
    assert spoilt.lines[-1] == f"Not published: {reasons}"
