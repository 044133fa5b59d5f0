"""The plain-Python twins that the metrics are held against."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def ranking_twin(load_reference) -> ModuleType:
    return load_reference("ranking")


@pytest.fixture(scope="session")
def tasks_twin(load_reference) -> ModuleType:
    return load_reference("tasks")


@pytest.fixture(scope="session")
def beyond_twin(load_reference) -> ModuleType:
    return load_reference("beyond_accuracy")
