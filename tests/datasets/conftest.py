import os
from pathlib import Path

import pytest

# Read before any test changes the environment.
REAL_FOLDER = Path(
    os.environ.get("RECSYS_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data"
)


@pytest.fixture(autouse=True)
def _no_data_of_the_machine(monkeypatch, tmp_path):
    """No test finds files of the machine it runs on, nor leaves some in the user's cache."""
    monkeypatch.delenv("RECSYS_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture()
def real_folder():
    """The folder of real data sets; tests skip where it is absent."""

    def of(dataset):
        folder = REAL_FOLDER / dataset
        if not folder.is_dir():
            pytest.skip(f"the real {dataset} is not in {REAL_FOLDER} (set RECSYS_DATA_DIR)")
        return folder

    return of
