"""A version that was taken back is gone for servers, and its model is not published again."""

import errno
import json
import os
import re

import pytest

from pipeline import publishing
from pipeline.publishing import (
    MANIFEST,
    PublishError,
    WithdrawnError,
    file_digests,
    publish,
    versions,
    withdraw,
    withdrawn,
)


@pytest.fixture
def served(saved_model, tmp_path):
    """A folder that serves the models `good` and, newer, `bad`."""
    folder = tmp_path / "served"
    for name in ("good", "bad"):
        publish(saved_model(name), folder)
    return folder


def test_the_newest_version_goes_and_the_one_before_is_left(served):
    good, bad = versions(served)
    done = withdraw(served)
    assert (done.version, done.newest) == (bad, good)
    assert list(versions(served)) == [good]
    assert [path.name for path in served.glob(".[rw]*")] == []


def test_its_manifest_is_kept_where_no_server_looks(served, saved_model):
    bad = max(versions(served))
    done = withdraw(served)
    assert done.manifest == served / "withdrawn" / f"{bad}.json"
    assert withdrawn(served) == {bad: done.manifest}
    files = json.loads(done.manifest.read_text())["files"]
    assert files == file_digests(served.parent / "models" / "bad")
    assert [path.name for path in done.manifest.parent.iterdir()] == [done.manifest.name]


def test_its_model_is_not_published_again_until_that_file_is_deleted(served):
    done = withdraw(served)
    model = served.parent / "models" / "bad"
    text = f"this model was withdrawn as version {done.version}; delete {done.manifest} to let"
    with pytest.raises(WithdrawnError, match=re.escape(text)):
        publish(model, served)
    assert list(versions(served)) == [done.newest]
    done.manifest.unlink()
    assert publish(model, served).is_new


def test_another_model_is_published_under_a_number_that_was_never_taken(
    served, saved_model, monkeypatch
):
    done = withdraw(served)
    monkeypatch.setattr(publishing.time, "time", lambda: 0.0)
    assert publish(saved_model("next"), served).version == done.version + 1


def test_an_older_version_can_be_named(served):
    good, bad = versions(served)
    done = withdraw(served, good)
    assert (done.version, done.newest) == (good, bad)
    assert list(versions(served)) == [bad]


def test_a_version_without_a_manifest_is_known_by_its_files(served):
    (versions(served)[max(versions(served))] / MANIFEST).unlink()
    withdraw(served)
    with pytest.raises(WithdrawnError):
        publish(served.parent / "models" / "bad", served)


def test_the_only_version_stays_unless_it_is_allowed(served):
    withdraw(served)
    (good,) = versions(served)
    with pytest.raises(PublishError, match=rf"Version {good} is the only one in .*`--allow-empty`"):
        withdraw(served)
    assert list(versions(served)) == [good]
    assert withdraw(served, allow_empty=True).newest is None
    assert versions(served) == {}


def test_a_version_that_is_not_there_is_refused(served):
    good, bad = versions(served)
    with pytest.raises(ValueError, match=f"`version` must be one of {good}, {bad}, received 5"):
        withdraw(served, 5)


def test_a_folder_without_a_version_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`folder` '.*nowhere' holds no version"):
        withdraw(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["fsync", "replace", "rename"])
def test_a_full_disk_says_so_and_the_version_serves(served, monkeypatch, name):
    before = versions(served)

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(PublishError, match="cannot be withdrawn from .*No space left on device"):
        withdraw(served)
    monkeypatch.undo()
    assert versions(served) == before
    assert withdraw(served).version == max(before)
