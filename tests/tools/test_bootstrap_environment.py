"""When `.venv` is taken as it is, made anew, or left alone; and how uv is found."""

import json
import os
import subprocess
import sys

import pytest

from tools.bootstrap import environment, probe, uv
from tools.bootstrap.choose import CURRENT, OLDER, NoLineFits


def scripted(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def root(tmp_path):
    """A checkout with the files that decide what is installed."""
    for name in (CURRENT.pinned, OLDER.pinned, *environment._SOURCES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def make_venv(root, line=OLDER):
    """What a finished bootstrap leaves, as far as it is looked at."""
    (root / ".venv" / "bin").mkdir(parents=True)
    os.symlink(sys.executable, root / ".venv" / "bin" / "python")
    (root / ".venv" / "pyvenv.cfg").write_text("prompt = recsys_tf\n")
    stamp = {"key": environment.key(root, line)}
    (root / ".venv" / "recsys_tf.json").write_text(json.dumps(stamp))


def test_no_environment_is_absent(root):
    assert environment.state(root, OLDER) == "absent"


def test_finished_environment_is_ready(root):
    make_venv(root)
    assert environment.state(root, OLDER) == "ready"


@pytest.mark.parametrize("changed", [OLDER.pinned, "setup.py"])
def test_changed_pins_or_metadata_make_it_stale(root, changed):
    make_venv(root)
    (root / changed).write_text("another version")
    assert environment.state(root, OLDER) == "stale"


def test_other_line_makes_it_stale(root):
    make_venv(root, CURRENT)
    assert environment.state(root, OLDER) == "stale"


def test_new_top_level_package_makes_it_stale(root):
    make_venv(root)
    (root / "serving").mkdir()
    (root / "serving" / "__init__.py").touch()
    assert environment.state(root, OLDER) == "stale"


@pytest.mark.parametrize("stamp", [None, "", "{}"])
def test_broken_off_installation_is_stale(root, stamp):
    make_venv(root)
    path = root / ".venv" / "recsys_tf.json"
    path.unlink() if stamp is None else path.write_text(stamp)
    assert environment.state(root, OLDER) == "stale"


def test_vanished_interpreter_makes_it_stale(root):
    make_venv(root)
    link = root / ".venv" / "bin" / "python"
    link.unlink()
    os.symlink(root / "gone", link)
    assert environment.state(root, OLDER) == "stale"


def test_environment_of_somebody_else_is_foreign(root):
    make_venv(root)
    (root / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert environment.state(root, OLDER) == "foreign"


def test_failure_of_uv_is_told_with_its_exit_code(root, capfd):
    script = scripted(root, "uv", "echo ' + tensorflow==1.0'\necho 'No solution found'\nexit 3")
    with pytest.raises(environment.InstallFailed, match="uv pip ended with 3"):
        environment.run_uv(script, "pip", "install", root=root)
    assert capfd.readouterr().out == "    No solution found\n"


def test_shim_that_answers_with_an_error_is_no_interpreter(tmp_path):
    shim = scripted(tmp_path, "python3.10", "echo 'pyenv: command not found' >&2; exit 127")
    assert probe.interpreter(shim) is None
    assert probe.interpreter(str(tmp_path / "absent")) is None
    assert probe.interpreter(sys.executable).version == tuple(sys.version_info[:3])


@pytest.mark.parametrize(
    ("said", "usable"), [("uv 0.13.9 (x86_64)", True), ("uv 0.7.22", False), ("pyenv: no", False)]
)
def test_uv_is_used_when_it_runs_and_is_new_enough(tmp_path, said, usable):
    assert uv.is_usable(scripted(tmp_path, "uv", f"echo '{said}'")) is usable


def test_uv_is_fetched_by_pip_alone_where_no_environment_can_be_made(tmp_path, monkeypatch):
    folder = tmp_path / "uv"
    python = scripted(
        tmp_path,
        "python3",
        'test "$2" = venv && exit 1\n'
        f"mkdir -p {folder}/bin && printf '#!/bin/sh\\necho uv 0.13.9\\n' > {folder}/bin/uv\n"
        f"chmod +x {folder}/bin/uv",
    )
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert uv.get_uv(folder) == f"{folder}/bin/uv"


def test_failure_to_fetch_uv_is_told_in_pips_own_words(tmp_path, monkeypatch):
    python = scripted(tmp_path, "python3", 'echo "No module named $2" >&2; exit 1')
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(NoLineFits, match="No module named venv\nNo module named pip\nuv, which"):
        uv.get_uv(tmp_path / "uv")


def test_check_of_this_machine_changes_nothing(checkout):
    done = subprocess.run(
        [sys.executable, "-m", "tools.bootstrap", "--check"],
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("system       Linux")
    assert "\nline         tfx 1." in done.stdout
