"""The demo beside a finished run: it asks that run's model, and the second time no pipeline."""

from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from recsys_tf.cli import app
from recsys_tf.datasets import DATASETS

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]


@pytest.fixture
def call(first_run, monkeypatch):
    """Runs `recsys-tf` on the data and by the configuration of the finished run."""
    monkeypatch.setitem(DATASETS, "synthetic", lambda folder=None: first_run.interactions)

    def invoke(command, root, config):
        sections = {name: each for name, each in config.to_dict().items() if name != "data"}
        changes = [f"--set={name}={json.dumps(each)}" for name, each in sections.items()]
        return CliRunner().invoke(
            app, [command, "--dataset", "synthetic", "--root", str(root), *changes]
        )

    return invoke


def test_second_demo_asks_the_same_model_without_a_pipeline(call, first_run, monkeypatch):
    first = call("demo", first_run.root.parent, first_run.config)
    assert first.exit_code == 0, first.stderr
    for text in ("a long history", "a short history", "a new user", "popularity", "is_new_user"):
        assert text in first.stdout
    assert "Trainer: trains and exports the model" in first.stderr
    assert f"The model is in {first_run.result.path}" in "".join(first.stdout.split("\n"))

    monkeypatch.setitem(sys.modules, "pipeline.runner", None)
    second = call("demo", first_run.root.parent, first_run.config)
    assert second.exit_code == 0, second.stderr
    assert "nothing has changed" in second.stderr
    assert "Trainer" not in second.stderr
    assert second.stdout == first.stdout


def test_pipeline_command_says_why_a_model_is_not_published(call, judged_anew):
    result = call("pipeline", judged_anew.root, judged_anew.config)
    assert result.exit_code == 1, result.stderr
    assert "Not published: rating/rmse is" in result.stdout
