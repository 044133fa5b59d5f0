"""What the docs show is run."""

import doctest
import importlib
import os
import pkgutil
import re
from pathlib import Path

import pytest

import recsys_tf

README = Path(__file__).parents[2] / "README.md"
MODULES = sorted(
    each.name
    for each in pkgutil.walk_packages(recsys_tf.__path__, "recsys_tf.")
    if not each.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    results = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert results.failed == 0


@pytest.mark.slow
@pytest.mark.checkout
def test_quick_start_of_the_readme_runs(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert code is not None
    monkeypatch.chdir(tmp_path)
    exec(compile(code[1], str(README), "exec"), {})
    assert (tmp_path / "models" / "recommender" / "1" / "saved_model.pb").is_file()


@pytest.mark.checkout
def test_every_room_in_the_readme_exists():
    text = README.read_text(encoding="utf-8")
    table = text[text.index("| room |") : text.index("Imports go downward")]
    for row in re.findall(r"^\| (`[^|]+) \|", table, re.M):
        names = re.findall(r"`([^`]+)`", row)
        folder = os.path.dirname(names[0]) if names[0].endswith(".py") else ""
        first_room = names[0].split("/")[0]
        for name in names:
            places = (name, f"{folder}/{name}", f"{first_room}/{name}")
            assert any((README.parent / place).exists() for place in places), name


@pytest.mark.checkout
def test_every_script_in_the_readme_exists():
    text = README.read_text(encoding="utf-8")
    table = text[text.index("| script |") : text.index("## The command line")]
    scripts = re.findall(r"^\| `(\S+\.py)", table, re.M)
    assert scripts
    for script in scripts:
        assert (README.parent / "benchmarks" / script).is_file(), script
