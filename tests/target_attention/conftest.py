"""The plain NumPy twins that the target attentions are held against."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def twin(load_reference):
    return load_reference("sequences")
