"""The cache's key changes with what is executed, and with nothing else."""

import sys

import pytest

from pipeline import fingerprints
from pipeline.fingerprints import code_fingerprint


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `sample` with a module that imports another, and one that nothing imports."""
    folder = tmp_path / "sample"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "start.py").write_text("from sample import used\n")
    (folder / "used.py").write_text("VALUE = 1\n")
    (folder / "unused.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(fingerprints, "_PACKAGES", ("sample",))
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "sample"]:
        del sys.modules[name]


def test_it_is_the_same_for_the_same_code(package):
    assert code_fingerprint("sample.start") == code_fingerprint("sample.start")


def test_a_change_in_an_imported_module_changes_it(package):
    before = code_fingerprint("sample.start")
    (package / "used.py").write_text("VALUE = 2\n")
    assert code_fingerprint("sample.start") != before


def test_a_comment_does_not_change_it(package):
    before = code_fingerprint("sample.start")
    (package / "used.py").write_text("# The one value.\nVALUE = 1\n")
    assert code_fingerprint("sample.start") == before


def test_a_module_that_is_not_imported_does_not_change_it(package):
    before = code_fingerprint("sample.start")
    (package / "unused.py").write_text("VALUE = 2\n")
    assert code_fingerprint("sample.start") == before


def test_an_import_within_a_function_counts(package):
    (package / "used.py").write_text("def late():\n    from . import unused\n    return unused\n")
    before = code_fingerprint("sample.start")
    (package / "unused.py").write_text("VALUE = 2\n")
    assert code_fingerprint("sample.start") != before


def test_another_version_of_a_library_changes_it(package, monkeypatch):
    before = code_fingerprint("sample.start")
    monkeypatch.setattr(fingerprints, "_version", lambda library: "0.0")
    assert code_fingerprint("sample.start") != before


def test_training_depends_on_the_layers_and_not_on_the_command_line():
    reached = fingerprints._reached("pipeline.trainer_module")
    assert {"recsys_tf.models.recommender", "recsys_tf.schema", "recsys_tf.layers"} <= reached
    assert not any(name.startswith(("recsys_tf.cli", "recsys_tf.baselines")) for name in reached)


def test_transform_does_not_depend_on_the_model():
    reached = fingerprints._reached("pipeline.transform_module")
    assert "recsys_tf.features.preprocessing" in reached
    assert not any(name.startswith(("recsys_tf.models", "recsys_tf.layers")) for name in reached)
