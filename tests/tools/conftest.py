"""The tools are no part of the wheel: in a folder without the checkout there is nothing to test."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

if (ROOT / "tools" / "bootstrap").is_dir():
    sys.path.append(str(ROOT))
else:
    collect_ignore_glob = ["*"]


@pytest.fixture
def checkout() -> Path:
    """The root of the checkout."""
    return ROOT
