import hashlib
import zipfile

import pytest

from recsys_tf.datasets import DownloadError
from recsys_tf.datasets.download import RemoteFile
from recsys_tf.datasets.files import read_members
from recsys_tf.datasets.wheels import download_wheel

NAME = "tinydata-1.0-py3-none-any.whl"


@pytest.fixture()
def wheel(tmp_path, monkeypatch):
    """A wheel in a folder that pip takes for its index."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / NAME, "w") as archive:
        archive.writestr("tinydata/values.txt", "1 2 3")
        archive.writestr("tinydata-1.0.dist-info/METADATA", "Name: tinydata\nVersion: 1.0\n")
        archive.writestr("tinydata-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("tinydata-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    content = (folder / NAME).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return RemoteFile("https://pypi.org", NAME, len(content), digest)


def test_wheel_is_fetched_by_pip_and_its_files_are_read(wheel, tmp_path, monkeypatch):
    path = download_wheel("tinydata==1.0", wheel, tmp_path / "cache")
    assert read_members(path, ["values.txt"])["values.txt"].content == b"1 2 3"
    # The second time it is there already, whatever the index says.
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert download_wheel("tinydata==1.0", wheel, tmp_path / "cache") == path


def test_other_wheel_than_published_is_refused(wheel, tmp_path):
    other = RemoteFile(wheel.url, wheel.name, wheel.num_bytes, "0" * 64)
    with pytest.raises(DownloadError, match=f"wheel {NAME} is not what was published: SHA-256"):
        download_wheel("tinydata==1.0", other, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_pips_own_last_word_is_reported(wheel, tmp_path):
    with pytest.raises(DownloadError, match=r"`tinydata==2\.0` could not be fetched by pip: .*2\.0"):
        download_wheel("tinydata==2.0", wheel, tmp_path / "cache")
