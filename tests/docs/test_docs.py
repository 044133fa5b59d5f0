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
    rooms = re.findall(r"^\| (`[^|]+) \|", text, re.M)
    for row in rooms:
        first = row.split("`")[1]
        folder = os.path.dirname(first) if "/" in first else ""
        for name in re.findall(r"`([^`]+)`", row):
            if "/" not in name and name.endswith(".py"):
                name = f"{folder}/{name}"
            elif name.endswith("/") and not (README.parent / name).exists():
                name = f"{folder.split('/')[0]}/{name}"
            if name in ("recommend", "rank", "serving_default", "evaluate"):
                continue
            assert (README.parent / name).exists(), name
