"""What the commands do with a run when the data are no longer those that it was trained on."""

from __future__ import annotations

import json

import pytest

from recsys_tf.cli.failures import Failure
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.config import RunConfig

OTHER = {"digest": "0" * 64, "num_events": 999, "num_users": 60, "num_items": 40}


@pytest.fixture
def make_run(small_synthetic, small_run, tmp_path, monkeypatch):
    """Writes the folder of a finished run of other data; its model cannot be loaded."""

    def make(export=None):
        run = RunConfig.from_yaml(small_run).to_dict()
        folder = tmp_path / "run"
        folder.mkdir()
        RunConfig.from_dict({**run, "export": export or {}}).to_yaml(folder / "run.yaml")
        (folder / "model.keras").touch()
        (folder / "data.json").write_text(json.dumps(OTHER))
        return folder

    def load_model(self):
        raise Failure("the model was asked for.")

    monkeypatch.setattr(RunFolder, "use_saved_features", lambda *_: None)
    monkeypatch.setattr(RunFolder, "load_model", load_model)
    return make


def test_changed_data_are_not_measured_on(call, make_run):
    asked = call("evaluate", "--run", make_run())
    assert asked.exit_code == 4
    assert "was trained on 999 events of 60 users and 40 items (digest 000000000000), and the" in (
        asked.stderr
    )
    assert "held-out rows of these may have been trained on. Name the folder" in asked.stderr


def test_calibrations_are_not_fitted_to_changed_data(call, make_run, tmp_path):
    run = make_run({"calibration": {"click": "platt"}})
    asked = call("export", "--run", run, "--out", tmp_path / "models")
    assert asked.exit_code == 4
    assert "which calibrations are fitted to, may have been trained on" in asked.stderr


def test_changed_catalogue_is_exported_where_nothing_is_fitted_to_it(call, make_run, tmp_path):
    asked = call("export", "--run", make_run(), "--out", tmp_path / "models")
    assert "; the catalogue of these is exported\n" in asked.stderr
    assert "error: the model was asked for.\n" in asked.stderr


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_run_of_an_older_version_is_warned_of(command, call, make_run, tmp_path):
    run = make_run()
    (run / "data.json").unlink()
    out = ["--out", tmp_path / "models"] if command == "export" else []
    asked = call(command, "--run", run, *out)
    assert "does not tell its data; whether they have changed is not known\n" in asked.stderr
    assert "error: the model was asked for.\n" in asked.stderr


def test_training_does_not_go_on_over_changed_data(call, small_synthetic, small_run, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.claim(RunConfig.from_yaml(small_run), is_overwriting=False)
    (folder.checkpoints / "epoch-000001").mkdir(parents=True)
    (folder.unfinished / "data.json").write_text(json.dumps(OTHER))
    asked = call("train", "--config", small_run, "--out", folder.path)
    assert asked.exit_code == 4
    assert "holds an unfinished run that began on 999 events" in asked.stderr
