from pathlib import Path

import pytest
import typer

from recsys_tf.cli.options import run_config
from recsys_tf.config import RunConfig
from recsys_tf.presets import preset
from recsys_tf.spec import SpecError


def test_without_options_the_run_is_the_default():
    assert run_config() == RunConfig()


def test_data_set_brings_its_preset():
    assert run_config(dataset="synthetic") == preset("synthetic")


def test_data_set_without_a_preset_takes_the_defaults():
    run = run_config(dataset="ml-1m")
    assert run.data.dataset == "ml-1m"
    assert run.model == RunConfig().model


def test_later_options_win(tmp_path):
    path = tmp_path / "run.yaml"
    RunConfig.from_dict({"training": {"epochs": 7, "batch_size": 32}}).to_yaml(path)
    run = run_config(path, None, "synthetic", Path("/data"), ["training.epochs=2"])
    assert (run.training.epochs, run.training.batch_size) == (2, 32)
    assert (run.data.dataset, run.data.folder) == ("synthetic", "/data")


def test_values_are_yaml():
    changes = ["training.patience=null", "model.tower_dims=[8, 4]", "pipeline.name=mine"]
    run = run_config(changes=changes)
    assert run.training.patience is None
    assert run.model.tower_dims == (8, 4)
    assert run.pipeline.name == "mine"


def test_field_of_a_part_that_is_not_there_begins_it():
    run = run_config(changes=["sequence.encoder=gru4rec", "sequence.max_length=20"])
    assert (run.sequence.encoder, run.sequence.max_length) == ("gru4rec", 20)


def test_every_fault_is_told_with_its_path():
    with pytest.raises(SpecError, match="2 faults") as failed:
        run_config(changes=["training.epoch=3", "model.dropout=2"])
    assert "training.epoch:" in str(failed.value)
    assert "model.dropout:" in str(failed.value)


def test_unknown_preset_is_told_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'synthetic'"):
        run_config(preset_name="syntetic")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("training.epochs", "must be FIELD=VALUE"),
        ("=3", "must be FIELD=VALUE"),
        ("training.epochs.x=3", "'epochs' has no fields"),
        ("training.epochs=[", "is not a YAML value"),
    ],
)
def test_malformed_change_is_refused(change, text):
    with pytest.raises(typer.BadParameter, match=text):
        run_config(changes=[change])


def test_file_and_preset_exclude_each_other(tmp_path):
    with pytest.raises(typer.BadParameter, match="either a file or a preset"):
        run_config(tmp_path / "run.yaml", "synthetic")
