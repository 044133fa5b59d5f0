"""Whole runs: what is published, what comes from the cache, what stops or blocks."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from pipeline import trainer_module
from pipeline.publishing import MANIFEST, file_digests, publish, versions, withdraw
from pipeline.root_lock import PipelineError
from pipeline.runner import run_pipeline
from pipeline.trainer_module import run_fn
from pipeline.training_rows import SkewError, checked_preprocessor, fitted_state
from recsys_tf import training
from recsys_tf.config import ExportConfig, RetrievalConfig
from recsys_tf.features import Preprocessor, transform_catalogue
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


@pytest.mark.parametrize("field", ["calibration", "goal"])
def test_what_is_fitted_without_validation_rows_stops_before_training(first_run, field):
    export = first_run.config.export.to_dict()
    others = {"calibration": {}, "goal": None}
    config = first_run.config.to_dict()
    config["export"] = {**export, **others, field: export[field]}
    custom = {
        "config": config,
        "schema": first_run.data.schema.to_dict(),
        "has_validation": False,
    }
    with pytest.raises(ValueError, match=f"`export.{field}` needs validation rows"):
        run_fn(SimpleNamespace(custom_config=custom))


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


def test_transform_learns_what_fit_state_learns_and_gives_the_same_bits(first_run):
    data = first_run.data
    folder = next(iter((first_run.root / "artifacts" / "Transform" / "transform_graph").iterdir()))
    transform = tft.TFTransformOutput(str(folder))
    train = next((first_run.root / "data").glob("*")) / "train"
    serialized = next(iter(read_examples(train).batch(5000)))
    transformed = transform.transform_raw_features(
        tf.io.parse_example(serialized, transform.raw_feature_spec())
    )
    learned = fitted_state(transform, transformed, data.schema, data.state)
    assert learned.vocabularies == data.state.vocabularies
    assert {"occupation", "tags", "user_id", "item_id"} <= set(learned.vocabularies)
    assert learned.wordpieces == data.state.wordpieces
    assert learned.boundaries == data.state.boundaries
    assert list(learned.boundaries) == ["age", "price"]
    for name, moments in data.state.moments.items():
        np.testing.assert_allclose(learned.moments[name], moments, rtol=1e-6)

    served = Preprocessor(data.schema, learned)(parse_raw(serialized, data.schema))
    assert {"tags", "poster", "title", "history", "history_rating"} <= set(served)
    for name, values in served.items():
        assert values.numpy().tobytes() == transformed[name].numpy().tobytes(), name


def test_a_served_preprocessing_that_differs_stops_the_training(first_run):
    data = first_run.data
    folder = next(iter((first_run.root / "artifacts" / "Transform" / "transform_graph").iterdir()))
    genres = data.schema.feature("genres").model_copy(update={"max_values": 1})
    features = [genres if each.name == "genres" else each for each in data.schema.features]
    other = data.schema.model_copy(update={"features": tuple(features)})
    test = next((first_run.root / "data").glob("*")) / "test"
    with pytest.raises(SkewError, match="served preprocessing differ in genres;"):
        checked_preprocessor(tft.TFTransformOutput(str(folder)), other, data.state, test)


def test_a_loss_over_the_catalogue_reads_the_written_items(first_run, tmp_path, monkeypatch):
    class Built(Exception):
        """Stands for the training, which is not what is looked at."""

    def stop(model, *_, **__):
        raise Built(model)

    monkeypatch.setattr(trainer_module, "fit", stop)
    data, root = first_run.data, first_run.root
    changes = {"retrieval": RetrievalConfig(loss="gbce"), "export": ExportConfig()}
    config = with_training(first_run.config.model_copy(update=changes), self_checks=False)
    written = next((root / "data").glob("*"))
    custom = {
        "config": config.to_dict(),
        "schema": data.schema.to_dict(),
        "data": str(written),
        "has_validation": False,
        "checkpoints": str(tmp_path),
    }
    transformed = next((root / "artifacts" / "Transform" / "transform_graph").iterdir())
    arguments = {"transform_output": str(transformed), "train_files": [f"{written}/train/*.gz"]}
    with pytest.raises(Built) as built:
        run_fn(SimpleNamespace(custom_config=custom, **arguments))
    expected = transform_catalogue(data.catalogue, data.preprocessor, data.schema)
    items = expected["item_id"]
    columns = built.value.args[0].catalogue.columns
    assert {"genres", "poster", "price", "title"} <= set(columns)
    for name, column in columns.items():
        np.testing.assert_array_equal(
            column.numpy()[items[items >= 2]], expected[name][items >= 2], err_msg=name
        )


def rewrite(root, changes):
    """Rewrites the first examples of the training split that lies in `root`, one a change."""
    (path,) = (next((root / "data").glob("*")) / "train").glob("*.gz")
    records = list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
    for row, change in enumerate(changes):
        example = tf.train.Example.FromString(records[row])
        change(example.features.feature)
        records[row] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)


def with_nan(features):
    features["rating"].float_list.value[:] = [float("nan")]


def with_infinite_label(features):
    features["like"].float_list.value[:] = [float("inf")]


def with_new_column(features):
    features["mood"].bytes_list.value[:] = [b"sunny"]


def without_user(features):
    del features["user_id"]


def test_tampered_examples_stop_before_training_with_every_fault(first_run, tmp_path, monkeypatch):
    from pipeline import runner

    written = runner.write_data(first_run.data, tmp_path / "data")
    monkeypatch.setattr(runner, "write_data", lambda *_: written)
    rewrite(tmp_path, [with_nan, with_infinite_label, with_new_column, without_user])
    with pytest.raises(PipelineError, match="ValidationGate failed: ") as error:
        run_pipeline(first_run.config, tmp_path, first_run.data, progress=None)
    for anomaly in (
        r"train: column `rating`: .*NaN",
        r"train: column `like`: .*[Ii]nf",
        r"train: column `mood`: New column",
        r"train: column `user_id`: .*dropped|`user_id`.*missing",
    ):
        assert re.search(anomaly, str(error.value)), anomaly
    for component in ("Transform", "Trainer"):
        assert not (tmp_path / "artifacts" / component).exists()


def test_a_shard_that_was_cut_short_stops_at_the_door(first_run, tmp_path, monkeypatch):
    from pipeline import runner

    written = runner.write_data(first_run.data, tmp_path / "data")
    monkeypatch.setattr(runner, "write_data", lambda *_: written)
    (path,) = (written.folder / "train").glob("*.gz")
    records = list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records[:-1]:
            writer.write(record)
    with pytest.raises(PipelineError, match=r"ExampleGen failed: .*manifest"):
        run_pipeline(first_run.config, tmp_path, first_run.data, progress=None)
