"""`recsys-tf evaluate` tells further metrics, slices, intervals, and another run beside."""

from __future__ import annotations

import json

import pytest

SURFACE = {"kind": "categorical", "name": "surface", "side": "context"}
EVALUATION = {"cutoffs": [5], "metrics": ["gini", "gauc"], "slices": ["surface"], "confidence": 0.9}


@pytest.fixture
def save_sliced_run(save_run, small_sections):
    """Writes the folder of a run whose model reads where the user was."""
    features = [*small_sections["features_and_tasks"]["features"], SURFACE]

    def made(name, **sections):
        return save_run(name, features_and_tasks={"features": features}, **sections)

    return made


def test_runs_are_measured_beside_each_other(call, save_sliced_run):
    first = save_sliced_run("first", evaluation=EVALUATION)
    second = save_sliced_run("second", training={"seed": 7})
    evaluate = ["evaluate", "--run", first, "--baselines", "popularity", "--against", second]
    done = call(*evaluate, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"model", "against", "popularity", "intervals", "slices", "paired"}
    model, other = told["model"], told["against"]
    assert {"watch/gini_at_5", "click/gauc"} <= set(model)
    assert set(model) == set(other)
    low, high = told["intervals"]["watch/ndcg_at_5"]
    assert low <= model["watch/ndcg_at_5"] <= high
    assert {name.partition("=")[0] for name in told["slices"]} == {"surface"}
    test = told["paired"]["click/auc"]
    assert test["difference"] == pytest.approx(model["click/auc"] - other["click/auc"], abs=1e-6)
    assert test["low"] <= test["difference"] <= test["high"]
    assert 0 < test["p_value"] <= 1

    done = call(*evaluate)
    assert done.exit_code == 0, done.stderr
    assert "watch gini@5" in done.stdout
    assert "by surface" in done.stdout
    assert f"{first} minus {second}" in done.stdout
    assert "p_value" in done.stdout


def test_what_is_told_may_be_asked_for_afterwards(call, save_sliced_run):
    run = save_sliced_run("run")
    bare = ["evaluate", "--run", run, "--baselines", "none", "--json"]
    done = call(*bare)
    assert set(json.loads(done.stdout)) == {"model"}
    done = call(*bare, "--set", "evaluation.metrics=[novelty]")
    assert "watch/novelty_at_10" in json.loads(done.stdout)["model"]
    wrong = call(*bare, "--set", "evaluation.metrics=[novlty]")
    assert wrong.exit_code == 2
    assert "Did you mean 'novelty'" in wrong.stderr
    wrong = call(*bare, "--set", "model.embedding_dim=4")
    assert wrong.exit_code == 2
    assert "only fields of `evaluation` can be set" in " ".join(wrong.stderr.split())


def test_runs_of_another_split_or_data_are_refused(call, save_run):
    first, second = save_run("first"), save_run("second", data={"test_share": 0.3})
    refused = call("evaluate", "--run", first, "--against", second)
    assert refused.exit_code == 2
    assert "data.test_share: 0.2 and 0.3; the models were not asked the same" in refused.stderr
    third = save_run("third")
    values = json.loads((third / "data.json").read_text())
    (third / "data.json").write_text(json.dumps({**values, "digest": "0" * 64}))
    refused = call("evaluate", "--run", first, "--against", third)
    assert refused.exit_code == 4
    assert "compare runs of the same data" in refused.stderr
