"""Whether a folder holds the files that a manifest states."""

import json

import pytest

from pipeline import manifests
from pipeline.manifests import file_digests, holds_files, read_manifest, write_manifest


def test_digests_are_the_known_ones(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"abc")
    (tmp_path / "manifest.json").write_text("{}")
    # FIPS 180-2, appendix B.1.
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digests(tmp_path) == {"a/b": {"sha256": known, "bytes": 3}}


def test_the_same_files_elsewhere_are_the_stated_ones(saved_model):
    stated = file_digests(saved_model("first"))
    twin = saved_model("first", saved_model("first2") / "twin")
    assert holds_files(twin, stated)


@pytest.mark.parametrize("change", ["more", "less", "longer", "other"])
def test_other_files_are_not(saved_model, change):
    folder = saved_model("first")
    stated = file_digests(folder)
    data = folder / "variables" / "variables.data-00000-of-00001"
    if change == "more":
        (folder / "fingerprint.pb").write_bytes(b"")
    elif change == "less":
        data.unlink()
    else:
        data.write_bytes({"longer": b"0123" * 1001, "other": b"0124" * 1000}[change])
    assert not holds_files(folder, stated)


def test_a_folder_without_a_file_holds_nothing(tmp_path):
    assert not holds_files(tmp_path, {})
    assert not holds_files(tmp_path / "nowhere", {})


def test_files_of_other_sizes_are_not_read(saved_model, monkeypatch):
    stated = file_digests(saved_model("first"))
    other = saved_model("longer name")
    monkeypatch.setattr(manifests, "_sha256", None)
    assert not holds_files(other, stated)


def test_what_was_written_is_read(tmp_path):
    files = {"saved_model.pb": {"sha256": "0", "bytes": 1}}
    write_manifest(tmp_path / "7.json", files)
    assert read_manifest(tmp_path / "7.json") == files


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 1}', '{"files": {"a": 1}}'])
def test_another_file_is_no_manifest(tmp_path, text):
    (tmp_path / "7.json").write_text(text)
    assert read_manifest(tmp_path / "7.json") is None
    assert read_manifest(tmp_path / "nowhere.json") is None
    (tmp_path / "8.json").write_text(json.dumps({"files": {}}))
    assert read_manifest(tmp_path / "8.json") == {}
