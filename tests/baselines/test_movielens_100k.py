"""The baselines on real data have the figures that were measured before, by other code."""

import os
from pathlib import Path

import numpy as np
import pytest

from recsys_tf.baselines import EASE, Bias, Popularity
from recsys_tf.datasets import interaction_matrix
from recsys_tf.metrics import ranking_metrics, rmse

CANDIDATES = [
    *([Path(os.environ["RECSYS_DATA_DIR"]) / "ml-100k"] if "RECSYS_DATA_DIR" in os.environ else []),
    Path(__file__).parents[3] / "shared/data/ml-100k",
]
FOLDER = next((each for each in CANDIDATES if (each / "ml-100k.inter").exists()), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        FOLDER is None,
        reason="MovieLens-100K lies neither in RECSYS_DATA_DIR nor in ../shared/data/ml-100k",
    ),
]


@pytest.fixture(scope="module")
def rows():
    table = np.loadtxt(FOLDER / "ml-100k.inter", skiprows=1, delimiter="\t", dtype=np.int64)
    assert table.shape == (100_000, 4)
    return table - [1, 1, 0, 0]


def matrix(rows, values=None):
    return interaction_matrix(rows[:, 0], rows[:, 1], 943, 1682, values)


def random_split(rows):
    """Seed 42; the figures below are of the last fifth of the permutation.

    The first fifth is an easier test: a bias RMSE of .936.
    """
    order = np.random.default_rng(42).permutation(len(rows))
    return rows[order[:80_000]], rows[order[80_000:]]


def evaluated(model, train, test):
    seen, relevant = matrix(train), matrix(test)
    return ranking_metrics(model.fit(seen).scores, None, seen, relevant, (1, 5, 10, 50, 100))


def hits(found, cutoffs):
    return [found[f"hit_at_{k}"] for k in cutoffs]


def test_ease_on_the_random_split(rows):
    found = evaluated(EASE(), *random_split(rows))
    expected = [0.026, 0.102, 0.173, 0.462, 0.624]
    assert hits(found, (1, 5, 10, 50, 100)) == pytest.approx(expected, abs=6e-4)
    assert found["ndcg_at_10"] == pytest.approx(0.4406, abs=6e-4)
    assert found["recall_at_10"] == pytest.approx(0.234, abs=6e-4)


def test_popularity_on_the_random_split(rows):
    found = evaluated(Popularity(), *random_split(rows))
    expected = [0.012, 0.051, 0.090, 0.270, 0.412]
    assert hits(found, (1, 5, 10, 50, 100)) == pytest.approx(expected, abs=6e-4)
    assert found["ndcg_at_10"] == pytest.approx(0.217, abs=6e-4)


def test_rating_error_of_the_biases_on_the_random_split(rows):
    train, test = random_split(rows)
    model = Bias().fit(matrix(train, train[:, 2]))
    assert 0.945 <= rmse(test[:, 2], model.predict(test[:, 0], test[:, 1])) <= 0.955


def test_popularity_on_the_split_by_time(rows):
    ordered = rows[np.argsort(rows[:, 3], kind="stable")]
    found = evaluated(Popularity(), ordered[:80_000], ordered[80_000:])
    assert hits(found, (10, 50, 100)) == pytest.approx([0.049, 0.171, 0.294], abs=1e-3)


def test_ease_falls_back_to_popularity_for_new_users(rows):
    # The figure without the fallback is .123: most users of the split by time are new.
    ordered = rows[np.argsort(rows[:, 3], kind="stable")]
    found = evaluated(EASE(), ordered[:80_000], ordered[80_000:])
    assert found["hit_at_100"] == pytest.approx(0.295, abs=1e-3)
