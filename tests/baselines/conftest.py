"""Events that the tests of several baselines share."""

import numpy as np
import pytest
from scipy import sparse

NUM_USERS, NUM_ITEMS = 60, 25


@pytest.fixture(scope="module")
def events():
    """Two tastes: even users have items below 12, odd users the others. User 7 has none."""
    rng = np.random.default_rng(0)
    is_low = np.arange(NUM_ITEMS) < 12
    likes = (np.arange(NUM_USERS)[:, None] % 2 == 0) == is_low[None, :]
    happens = rng.random(likes.shape) < np.where(likes, 0.5, 0.03)
    ratings = np.where(happens, rng.integers(1, 6, size=likes.shape), 0)
    ratings[7] = 0
    return sparse.csr_matrix(ratings.astype(float))
