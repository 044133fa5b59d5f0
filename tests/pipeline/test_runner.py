"""What a run does around TFX: it keeps others out, and looks at what serves when it is done."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pandas as pd
import pytest

from pipeline import graph, runner
from pipeline.publishing import publish, versions
from pipeline.results import PipelineResult
from pipeline.root_lock import PipelineError
from pipeline.runner import run_pipeline
from recsys_tf import SequenceConfig, SpecError
from recsys_tf.config import EvaluationConfig
from recsys_tf.datasets import Rejections

pytestmark = pytest.mark.pipeline


@pytest.fixture
def run(prepared, tmp_path, saved_model, monkeypatch):
    """Runs with a cache for the Pusher alone: its key is the model and the folder's token."""
    cache, models = {}, {name: saved_model(name) for name in "AB"}

    def run_once(config, root, data, written, log):
        folder = graph.serving_folder(root, config)
        key = config.training.seed, graph._folder_token(folder)
        if key not in cache:
            cache[key] = publish(models["AB"[config.training.seed]], folder)
        done = cache[key]
        return PipelineResult(True, (), done.version, done.path, {})

    monkeypatch.setattr(runner, "write_data", lambda *_: None)
    monkeypatch.setattr(runner, "_run_once", run_once)

    def call(name):
        training = prepared.config.training.model_copy(update={"seed": "AB".index(name)})
        config, lines = prepared.config.model_copy(update={"training": training}), []
        return run_pipeline(config, tmp_path, prepared, lines.append), lines

    return call


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"sequence": SequenceConfig()}, "sequence: must be left out for the TFX pipeline"),
        (
            {"evaluation": EvaluationConfig(confidence=0.9)},
            "evaluation.confidence: has no meaning for the TFX pipeline",
        ),
    ],
)
def test_what_the_pipeline_does_not_read_is_refused_before_any_work(
    section, text, prepared, tmp_path
):
    config = prepared.config.model_copy(update=section)
    with pytest.raises(SpecError, match=text):
        run_pipeline(config, tmp_path / "root", prepared)
    assert not (tmp_path / "root").exists()


def test_a_model_that_another_has_followed_is_published_once_more(run):
    first, second = run("A")[0], run("B")[0]
    third, lines = run("A")
    assert first.version < second.version < third.version
    assert third.path.is_dir()
    folder = third.path.parent
    assert lines == [
        f"Serving: version {second.version} has followed version {first.version} in {folder}; once "
        "more",
        f"Published: version {third.version} in {third.path}",
    ]


def test_a_model_whose_version_is_gone_is_published_once_more(run):
    first, _ = run("A")
    shutil.rmtree(first.path)
    second, lines = run("A")
    assert second.path.is_dir()
    assert lines[0] == (
        f"Serving: version {first.version} is gone from {first.path.parent}; once more"
    )


def test_an_unchanged_run_publishes_nothing(run):
    first, _ = run("A")
    second, lines = run("A")
    assert second.version == first.version
    assert list(versions(first.path.parent)) == [first.version]
    assert lines == [f"Published: version {first.version} in {first.path}"]


def test_a_second_run_in_the_same_root_is_refused_until_the_first_has_ended(
    prepared, tmp_path, monkeypatch
):
    refused = []

    def run(config, root, data, log):
        monkeypatch.setattr(runner, "_run", lambda *_: None)
        with pytest.raises(PipelineError) as error:
            run_pipeline(config, root, data, progress=None)
        refused.append(str(error.value))

    for _ in range(2):
        monkeypatch.setattr(runner, "_run", run)
        run_pipeline(prepared.config, tmp_path, prepared, progress=None)
    assert refused == 2 * [
        f"Another run is at work in {tmp_path}; wait for its end, or give this one a `root` of its "
        "own."
    ]


def test_what_a_killed_run_left_half_written_goes(prepared, tmp_path, monkeypatch):
    left = tmp_path / "data" / ".writing-abc"
    left.mkdir(parents=True)
    monkeypatch.setattr(runner, "_run", lambda *_: None)
    run_pipeline(prepared.config, tmp_path, prepared, progress=None)
    assert not left.exists()


def test_too_many_rejected_rows_stop_before_anything_is_written(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_run", lambda *_: None)
    rows = pd.DataFrame({"source": ["u"], "line": [3], "reason": ["no number"], "text": ["x"]})
    interactions = replace(prepared.interactions, rejections=Rejections({"u": 10}, rows))
    data = replace(prepared, interactions=interactions)
    with pytest.raises(
        ValueError, match=r"(?s)10\.0% of .* more than `max_rejected_share` 5\.0%.*first: line 3"
    ):
        run_pipeline(prepared.config, tmp_path, data, progress=None)
