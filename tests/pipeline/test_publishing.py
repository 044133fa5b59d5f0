"""A version appears whole, once, under a growing number, or not at all."""

import errno
import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from pipeline import publishing
from pipeline.publishing import MANIFEST, PublishError, file_digests, publish, versions
from serving.server.manifest import check_version


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "model", "first")


def make_model(folder, text):
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph " + text.encode())
    (folder / "variables" / "variables.index").write_bytes(b"index")
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(os.urandom(300_000))
    return folder


def test_a_version_holds_the_model_and_a_manifest_that_the_server_accepts(model, tmp_path):
    done = publish(model, tmp_path / "served")
    assert done.is_new
    assert done.path == tmp_path / "served" / str(done.version)
    assert file_digests(done.path) == file_digests(model)
    stated = json.loads((done.path / MANIFEST).read_text())["files"]
    assert stated["saved_model.pb"]["bytes"] == len(b"graph first")
    check_version(str(done.path), require_manifest=True)


def test_the_number_is_the_time_in_seconds(model, tmp_path, monkeypatch):
    monkeypatch.setattr(publishing.time, "time", lambda: 1234.9)
    assert publish(model, tmp_path / "served").version == 1234


def test_numbers_grow_within_the_same_second_and_when_the_clock_goes_back(tmp_path, monkeypatch):
    seconds = iter([1000.0, 1000.2, 7.0])
    monkeypatch.setattr(publishing.time, "time", lambda: next(seconds))
    numbers = [
        publish(make_model(tmp_path / name, name), tmp_path / "served").version for name in "abc"
    ]
    assert numbers == [1000, 1001, 1002]


def test_the_same_model_is_not_published_twice(model, tmp_path):
    first = publish(model, tmp_path / "served")
    again = publish(model, tmp_path / "served")
    assert (again.version, again.path, again.is_new) == (first.version, first.path, False)
    assert list(versions(tmp_path / "served")) == [first.version]


def test_a_damaged_newest_version_is_published_again(model, tmp_path):
    first = publish(model, tmp_path / "served")
    (first.path / "saved_model.pb").write_bytes(b"graph fIrst")
    again = publish(model, tmp_path / "served")
    assert again.is_new
    assert again.version > first.version


def test_a_model_that_was_replaced_since_is_published_as_a_new_version(tmp_path):
    first, second = make_model(tmp_path / "a", "a"), make_model(tmp_path / "b", "b")
    numbers = [publish(each, tmp_path / "served").version for each in (first, second, first)]
    assert numbers == sorted(set(numbers))


def test_old_versions_go(tmp_path):
    for name in "abcd":
        done = publish(make_model(tmp_path / name, name), tmp_path / "served", keep_versions=2)
    kept = versions(tmp_path / "served")
    assert len(kept) == 2
    assert max(kept) == done.version
    assert [path.name for path in (tmp_path / "served").glob(".[rw]*")] == []


@pytest.mark.parametrize("name", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_the_old_version_and_says_so(tmp_path, monkeypatch, name):
    old = publish(make_model(tmp_path / "a", "a"), tmp_path / "served")
    before = file_digests(old.path)

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = {"write": (shutil, "copyfileobj"), "fsync": (os, "fsync"), "rename": (os, "rename")}
    monkeypatch.setattr(*target[name], fail)
    with pytest.raises(
        PublishError, match=r"cannot be published .*No space left on device.*untouched"
    ):
        publish(make_model(tmp_path / "b", "b"), tmp_path / "served")
    monkeypatch.undo()
    assert versions(tmp_path / "served") == {old.version: old.path}
    assert file_digests(old.path) == before
    assert list((tmp_path / "served").glob(".writing-*")) == []


def test_what_a_killed_run_left_is_cleared_and_never_a_version(model, tmp_path):
    left = tmp_path / "served" / ".writing-abc"
    left.mkdir(parents=True)
    (left / "saved_model.pb").write_bytes(b"half")
    done = publish(model, tmp_path / "served")
    assert not left.exists()
    assert list(versions(tmp_path / "served")) == [done.version]


def test_a_reader_never_sees_a_version_that_is_not_whole(tmp_path):
    served, seen, faults, stop = tmp_path / "served", set(), [], threading.Event()
    models = [make_model(tmp_path / f"m{index}", str(index)) for index in range(6)]

    def read():
        while not stop.is_set():
            for number, path in versions(served).items():
                if number not in seen:
                    try:
                        check_version(str(path), require_manifest=True)
                    except Exception as error:
                        faults.append(error)
                    seen.add(number)
            time.sleep(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    for each in models:
        publish(each, served, keep_versions=10)
    time.sleep(0.05)
    stop.set()
    reader.join()
    assert faults == []
    assert len(seen) == 6


def test_two_runs_at_once_get_two_numbers(tmp_path):
    models = [make_model(tmp_path / f"m{index}", str(index)) for index in range(4)]
    done = []
    threads = [
        threading.Thread(target=lambda each=each: done.append(publish(each, tmp_path / "served")))
        for each in models
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.version for each in done}) == 4


def test_a_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PublishError, match=r"`model` '.*empty' holds no saved_model\.pb"):
        publish(tmp_path / "empty", tmp_path / "served")


def test_at_least_one_version_is_kept(model, tmp_path):
    with pytest.raises(ValueError, match="`keep_versions` must be 1 or more, received 0"):
        publish(model, tmp_path / "served", keep_versions=0)


def test_folders_that_are_no_numbers_are_no_versions(tmp_path):
    for name in ("7", "12", "x3", "-4", ".writing-5", str(1 << 63), "9" * 30):
        (tmp_path / name).mkdir()
    (tmp_path / "99").write_text("a file")
    assert list(versions(tmp_path)) == [7, 12]
    assert versions(Path("/nowhere")) == {}
