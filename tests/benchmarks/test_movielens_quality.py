"""The baselines beside the joint model, on a few generated events."""

import numpy as np
import pytest

from recsys_tf import RunConfig
from recsys_tf.baselines import Popularity
from recsys_tf.config import DataConfig
from recsys_tf.datasets import load_synthetic
from recsys_tf.evaluation import ranking_problem
from recsys_tf.metrics import ranking_values
from recsys_tf.preparation import prepare

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("movielens_quality")


@pytest.fixture(scope="module")
def data():
    config = RunConfig(data=DataConfig(dataset="synthetic", split="time"))
    return prepare(config, load_synthetic(num_users=60, num_items=30, num_events=900))


def test_new_users_are_held_to_what_is_popular(script, data, monkeypatch):
    problem = ranking_problem(data, "test")
    baseline = Popularity().fit(problem.known_positives)
    ranking = ranking_values(baseline.scores, None, problem.seen, problem.relevant, [10])
    found = script.of_new_users(data, ranking)
    is_new = np.diff(problem.seen.indptr)[ranking.user_indexes] == 0
    assert 0 < is_new.sum() < len(is_new)
    name = f"watch/ndcg_at_10{script.NEW_USERS}"
    assert found[name] == ranking.means(is_new)["ndcg_at_10"] != ranking.means()["ndcg_at_10"]
    monkeypatch.setattr(script, "SHOWN", ("watch/ndcg_at_10",))
    runs = [{name: found[name] + 0.1}, {name: found[name] - 0.3}]
    model, popular = script.new_user_rows(data, runs)
    assert popular.value == model.bound == found[name]
    assert model.value == pytest.approx(found[name] - 0.1)
    assert model.holds is False


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
    assert bpr.spread == pytest.approx(np.std(of_seeds, ddof=1))
