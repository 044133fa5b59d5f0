import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from recsys_tf.cli.failures import Failure
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.config import RunConfig
from recsys_tf.datasets import load_synthetic


class Part:
    """Stands for a model or a fitted preprocessing: saves a text, or fails."""

    def __init__(self, text="", error=None):
        self.text = text
        self.error = error

    def save(self, path):
        if self.error is not None:
            raise self.error
        path = Path(path)
        if path.suffix:
            path.write_text(self.text)
        else:
            path.mkdir()
            (path / "state.json").write_text(self.text)


@pytest.fixture(scope="module")
def data():
    return load_synthetic(num_users=60, num_items=40, num_events=1000, num_days=30)


@pytest.fixture(scope="module")
def grown(data):
    events = pd.concat([data.events, data.events.tail(1)], ignore_index=True)
    return dataclasses.replace(data, events=events)


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def save(folder, text="new", error=None):
    folder.claim(RunConfig(), is_overwriting=True)
    folder.save(RunConfig(), Part(text, error), Part(text), {"loss": [1.0]})


def test_saved_run_is_whole_and_holds_nothing_else(folder):
    save(folder)
    names = sorted(each.name for each in folder.path.iterdir())
    assert names == ["features", "history.json", "model.keras", "run.yaml"]
    assert folder.config() == RunConfig()
    assert json.loads((folder.path / "history.json").read_text()) == {"loss": [1.0]}


def test_failed_save_leaves_the_older_run_whole(folder):
    save(folder, "old")
    with pytest.raises(OSError, match="full"):
        save(folder, "new", OSError("full"))
    assert (folder.path / "model.keras").read_text() == "old"


def test_failed_first_save_leaves_no_model(folder):
    with pytest.raises(OSError, match="full"):
        save(folder, error=OSError("full"))
    assert not folder.is_whole
    with pytest.raises(Failure, match="holds an unfinished run"):
        folder.config()


def test_finished_run_is_replaced_only_on_demand(folder):
    save(folder)
    with pytest.raises(Failure, match="holds a finished run; .* `--overwrite`"):
        folder.claim(RunConfig(), is_overwriting=False)
    folder.claim(RunConfig(), is_overwriting=True)


def test_checkpoint_is_taken_up_by_the_same_configuration_only(folder):
    assert folder.claim(RunConfig(), is_overwriting=False) is False
    (folder.checkpoints / "epoch-000001").mkdir(parents=True)
    assert folder.claim(RunConfig(), is_overwriting=False) is True
    other = RunConfig.from_dict({"training": {"seed": 7}})
    with pytest.raises(Failure, match="unfinished run of another configuration"):
        folder.claim(other, is_overwriting=False)
    assert folder.claim(other, is_overwriting=True) is False


def test_configuration_beside_a_checkpoint_is_not_written_again(folder, monkeypatch):
    folder.claim(RunConfig(), is_overwriting=False)

    def killed(self, path):
        Path(path).write_text("")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RunConfig, "to_yaml", killed)
        # Whole or not at all where it is written.
        with pytest.raises(KeyboardInterrupt):
            folder.claim(RunConfig(), is_overwriting=False)
        assert RunConfig.from_yaml(folder.unfinished / "run.yaml") == RunConfig()
        (folder.checkpoints / "epoch-000001").mkdir(parents=True)
        assert folder.claim(RunConfig(), is_overwriting=False) is True


def test_run_that_was_to_replace_a_finished_one_goes_on(folder):
    save(folder, "old")
    assert folder.claim(RunConfig(), is_overwriting=True) is False
    with pytest.raises(Failure, match="holds a finished run"):
        folder.claim(RunConfig(), is_overwriting=False)
    (folder.checkpoints / "epoch-000001").mkdir(parents=True)
    assert folder.claim(RunConfig(), is_overwriting=False) is True
    other = RunConfig.from_dict({"training": {"seed": 7}})
    with pytest.raises(Failure, match="unfinished run of another configuration"):
        folder.claim(other, is_overwriting=False)
    assert folder.is_whole


def test_what_a_kill_left_of_an_ended_run_is_no_run_to_go_on_with(folder):
    save(folder)
    (folder.checkpoints / "epoch-000003-final").mkdir(parents=True)
    other = RunConfig.from_dict({"training": {"seed": 7}})
    with pytest.raises(Failure, match="holds a finished run"):
        folder.claim(other, is_overwriting=False)


def test_run_that_is_killed_while_it_is_cleared_away_has_ended(folder, monkeypatch):
    folder.claim(RunConfig(), is_overwriting=False)
    (folder.checkpoints / "epoch-000003-final").mkdir(parents=True)
    rmtree = shutil.rmtree

    def killed(path, **options):
        if path == folder.unfinished:
            raise KeyboardInterrupt
        rmtree(path, **options)

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.save(RunConfig(), Part("new"), Part("new"), {"loss": [1.0]})
    assert folder.has_checkpoint
    with pytest.raises(Failure, match="holds a finished run"):
        folder.claim(RunConfig(), is_overwriting=False)


def test_run_that_ended_before_its_first_checkpoint_gives_way_to_another_configuration(folder):
    folder.claim(RunConfig(), is_overwriting=False)
    other = RunConfig.from_dict({"training": {"seed": 7}})
    assert folder.claim(other, is_overwriting=False) is False
    assert RunConfig.from_yaml(folder.unfinished / "run.yaml") == other


def test_folder_without_a_run_says_how_to_make_one(folder):
    with pytest.raises(Failure, match="holds no run; make one with `recsys-tf train"):
        folder.config()


def test_data_may_have_moved(folder):
    save(folder)
    assert folder.config(Path("/elsewhere")).data.folder == "/elsewhere"


def trained_on(folder, data):
    folder.claim(RunConfig(), is_overwriting=True)
    folder.claim_data(data)
    folder.save(RunConfig(), Part("new"), Part("new"), {"loss": [1.0]})


def test_finished_run_knows_its_data(folder, data, grown, capsys):
    trained_on(folder, data)
    names = sorted(each.name for each in folder.path.iterdir())
    assert names == ["data.json", "features", "history.json", "model.keras", "run.yaml"]
    assert folder.data_change(data) is None
    change = folder.data_change(grown)
    assert "was trained on 940 events of 60 users and 40 items (digest " in change
    assert "and the data are now 941 events of 60 users and 40 items (digest " in change
    assert "does not tell" not in capsys.readouterr().err


def test_equal_sizes_are_not_taken_for_equal_data(folder, data):
    trained_on(folder, data)
    item_id = data.schema.item_id
    others = dict(zip(data.items[item_id], data.items[item_id].iloc[::-1], strict=True))
    events = data.events.assign(**{item_id: data.events[item_id].map(others)})
    assert "digest" in folder.data_change(dataclasses.replace(data, events=events))


def test_run_of_an_older_version_does_not_know_its_data_and_says_so(folder, data, capsys):
    save(folder)
    assert folder.data_change(data) is None
    assert "does not tell its data; whether they have changed is not known" in (
        capsys.readouterr().err
    )


def test_replaced_run_does_not_keep_the_data_of_the_former(folder, data, grown):
    trained_on(folder, data)
    trained_on(folder, grown)
    assert folder.data_change(grown) is None
    save(folder)
    assert not (folder.path / "data.json").exists()


def begin(folder, data=None):
    folder.claim(RunConfig(), is_overwriting=False)
    if data is not None:
        folder.claim_data(data)
    (folder.checkpoints / "epoch-000001").mkdir(parents=True)


def test_checkpoint_is_taken_up_over_the_same_data_only(folder, data, grown):
    begin(folder, data)
    folder.claim_data(data)
    with pytest.raises(Failure, match=r"began on 940 events .* the data are now 941 .*`--over"):
        folder.claim_data(grown)
    folder.claim(RunConfig(), is_overwriting=True)
    folder.claim_data(grown)


def test_run_that_ended_before_its_first_checkpoint_gives_way_to_other_data(folder, data, grown):
    folder.claim(RunConfig(), is_overwriting=False)
    folder.claim_data(data)
    folder.claim_data(grown)
    begin(folder)
    folder.claim_data(grown)


def test_checkpoint_of_an_older_version_is_taken_up_and_its_data_stay_unknown(folder, data, capsys):
    begin(folder)
    folder.claim_data(data)
    assert "does not tell its data; going on as if they were these" in capsys.readouterr().err
    folder.save(RunConfig(), Part("new"), Part("new"), {"loss": [1.0]})
    assert not (folder.path / "data.json").exists()
