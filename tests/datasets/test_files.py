import zipfile

import pytest

from recsys_tf.datasets.files import find_files, read_members

FORMS = (("a.txt", "b.txt"), ("c.txt",))


def write(folder, **contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.txt").write_text(content)
    return folder


def test_first_complete_form_is_read(tmp_path):
    write(tmp_path, a="1", c="3")
    assert set(find_files("set", FORMS, tmp_path)) == {"c.txt"}
    write(tmp_path, b="2")
    files = find_files("set", FORMS, tmp_path)
    assert {name: file.content for name, file in files.items()} == {"a.txt": b"1", "b.txt": b"2"}


@pytest.mark.parametrize("place", ["", "set"])
def test_folder_and_environment_are_looked_at_with_their_subfolder(tmp_path, monkeypatch, place):
    write(tmp_path / place, c="3")
    assert set(find_files("set", FORMS, str(tmp_path))) == {"c.txt"}
    assert find_files("set", FORMS) is None
    monkeypatch.setenv("RECSYS_DATA_DIR", str(tmp_path))
    assert set(find_files("set", FORMS)) == {"c.txt"}


def test_named_folder_goes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_DATA_DIR", str(write(tmp_path / "one", c="1")))
    named = write(tmp_path / "two", c="2")
    assert find_files("set", FORMS, named)["c.txt"].content == b"2"
    with pytest.raises(FileNotFoundError, match=r"`folder` .* must hold the files of set: a"):
        find_files("set", FORMS, write(tmp_path / "three"))


def test_absent_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"or the archive set\.zip; there is no such"):
        find_files("set", FORMS, tmp_path / "nowhere", archives=("set.zip",))


def test_archive_is_read_in_a_folder_and_by_its_own_path(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("set/deep/c.txt", "3")
    for place in (tmp_path, tmp_path / "set.zip"):
        files = find_files("set", FORMS, place, archives=("set.zip",))
        assert files["c.txt"].content == b"3"


def test_damaged_archive_says_so(tmp_path):
    (tmp_path / "set.zip").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(ValueError, match=r"set.zip` is not a whole zip archive"):
        read_members(tmp_path / "set.zip", ["c.txt"])
