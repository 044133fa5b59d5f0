"""The scripts of benchmarks/, imported as they import each other: by their plain names."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def load_script():
    """Returns a function: name -> the script as a module."""
    if not FOLDER.exists():
        pytest.skip("benchmarks/ is part of the checkout and not of the wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module
