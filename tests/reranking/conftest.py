"""Each reranker, requests for it, and the plain NumPy twins that they are held against."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from recsys_tf.reranking import RERANKERS

N, D = 30, 16


@pytest.fixture(scope="session")
def twin(load_reference) -> ModuleType:
    return load_reference("reranking")


@pytest.fixture(params=sorted(RERANKERS))
def name(request):
    return request.param


@pytest.fixture
def rerank(name):
    return RERANKERS[name]


@pytest.fixture
def requests(rng):
    """Relevance on a coarse grid, so that there are ties, and vectors of any length."""
    relevance = np.round(rng.normal(size=(5, N)), 1).astype("float32")
    vectors = rng.normal(size=(5, N, D)) * rng.uniform(0.1, 9, (5, N, 1))
    return relevance, vectors.astype("float32")
