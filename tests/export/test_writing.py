"""A SavedModel comes whole, whoever else is at work in its folder, and stays so."""

import os
from pathlib import Path

import pytest
import tensorflow as tf

from pipeline.publishing import publish, versions
from recsys_tf.disk import write_through
from recsys_tf.export.writing import traced_signature, write_saved_model


@pytest.fixture
def write():
    """Writes a SavedModel of one variable; `describe` runs while it is being written."""
    module = tf.Module()
    module.offset = tf.Variable(1.0)
    specs = {"x": tf.TensorSpec([None], tf.float32, name="x")}

    def made(folder, describe=lambda extra: None):
        def signatures():
            function = traced_signature(lambda raw: {"y": raw["x"] + module.offset}, specs)
            return {"serving_default": function}

        return write_saved_model(module, folder, signatures, describe)

    return made


def test_an_export_outlives_a_publication_into_its_folder(write, tmp_path):
    model = write(tmp_path / "model")
    served = tmp_path / "served"
    write(served / "5", lambda extra: publish(model, served))
    assert 5 in versions(served)
    assert len(versions(served)) == 2
    loaded = tf.saved_model.load(str(served / "5"))
    assert loaded.signatures["serving_default"](x=tf.constant([2.0]))["y"].numpy() == [3.0]


def test_all_files_are_on_the_disk_before_the_name_is(write, tmp_path, monkeypatch):
    synced, at_rename = [], []
    sync, replace = os.fsync, os.replace

    def note_sync(descriptor):
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def note_rename(source, target):
        if Path(target) == tmp_path / "7":
            at_rename.append((str(source), {str(path) for path in Path(source).rglob("*")}))
            at_rename.append(set(synced))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_rename)
    write(tmp_path / "7")
    (writing, below), before = at_rename
    assert {writing, *below} <= before
    assert any(path.endswith("saved_model.pb") for path in below)
    assert synced[-1] == str(tmp_path)


def test_a_folder_that_is_not_there_cannot_be_written_through(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_through(tmp_path / "nothing")
