"""The plain twins that the fusions and calibrations are held against."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def twin(load_reference) -> ModuleType:
    return load_reference("score_fusion")
