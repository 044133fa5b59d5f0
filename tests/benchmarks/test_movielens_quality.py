"""The baselines beside the joint model, on a few generated events."""

import numpy as np
import pytest

from recsys_tf import RunConfig
from recsys_tf.config import DataConfig
from recsys_tf.datasets import load_synthetic
from recsys_tf.preparation import prepare

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("movielens_quality")


@pytest.fixture(scope="module")
def data():
    config = RunConfig(data=DataConfig(dataset="synthetic", split="time"))
    return prepare(config, load_synthetic(num_users=60, num_items=30, num_events=900))


def test_baselines_with_chance_are_measured_over_the_seeds(script, data, monkeypatch):
    # The tasks of the generated data have other names than those of MovieLens.
    task = data.schema.retrieval_task.name
    monkeypatch.setattr(script, "SHOWN", (f"{task}/ndcg_at_10",))
    chosen = {
        "popularity": {"popularity_half_life_days": 7.0},
        "ease": {"l2_regularization": 10.0},
        "bpr": {"factors": 4, "num_iterations": 3},
    }
    rows = {row.name: row for row in script.baseline_rows(data, chosen, [0, 1, 2])}
    names = ("popularity", "popularity, half-life 7 days", "ease", "bpr")
    assert list(rows) == [f"{task}/ndcg_at_10, {name}" for name in names]
    assert [row.spread is None for row in rows.values()] == [True, True, True, False]
    plain, recent, _, bpr = rows.values()
    assert plain.value != recent.value
    of_seeds = [script.baseline_rows(data, {**chosen}, [seed])[-1].value for seed in (0, 1, 2)]
    assert bpr.value == pytest.approx(np.mean(of_seeds))
    assert bpr.spread == pytest.approx(np.std(of_seeds))
