"""`recsys-tf evaluate` tells further metrics, slices, intervals, and another run beside."""

from __future__ import annotations

import json

import pytest

from recsys_tf.cli.failures import Failure
from recsys_tf.cli.finished_runs import check_comparable
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.config import RunConfig

SURFACE = {"kind": "categorical", "name": "surface", "side": "context"}
EVALUATION = {"cutoffs": [5], "metrics": ["gini", "gauc"], "slices": ["surface"], "confidence": 0.9}


@pytest.fixture
def save_sliced_run(save_run, small_sections):
    """Writes the folder of a run whose model reads where the user was."""
    features = [*small_sections["features_and_tasks"]["features"], SURFACE]

    def made(name, **sections):
        return save_run(name, features_and_tasks={"features": features}, **sections)

    return made


@pytest.fixture
def save_sequence_run(save_run):
    """Writes the folder of a sequential run over a schema without a retrieval task."""
    sequence = {"embedding_dim": 8, "max_length": 6, "encoder": "gru4rec"}
    tasks = {"tasks": [{"kind": "binary", "name": "click", "label": "click"}]}

    def made(name, **sections):
        return save_run(name, model=None, sequence=sequence, features_and_tasks=tasks, **sections)

    return made


def test_runs_are_measured_beside_each_other(call, save_run, save_sliced_run):
    first = save_sliced_run("first", evaluation=EVALUATION)
    # It reads no `surface`; neither slices nor intervals are told of it.
    second = save_run("second", training={"seed": 7})
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


@pytest.mark.parametrize(
    ("split", "fields", "told"),
    [
        ("time", {"seed": 7}, None),
        ("last_out", {"seed": 7, "test_share": 0.3, "validation_share": 0.2}, None),
        ("random", {"seed": 7}, "data.seed: 42 and 7;"),
        ("time", {"validation_share": 0.2}, "data.validation_share: 0.1 and 0.2;"),
    ],
)
def test_runs_may_differ_by_what_their_split_does_not_read(split, fields, told, tmp_path):
    folders = [RunFolder(tmp_path / name) for name in ("first", "second")]
    for folder, more in zip(folders, ({}, fields), strict=True):
        folder.path.mkdir()
        RunConfig.from_dict({"data": {"split": split, **more}}).to_yaml(folder.path / "run.yaml")
        (folder.path / "model.keras").touch()
    if told is None:
        check_comparable(*folders, None)
        return
    with pytest.raises(Failure, match=told):
        check_comparable(*folders, None)


def test_runs_over_ones_own_files_may_read_other_columns(
    call, save_run, save_sliced_run, small_sections, tmp_path
):
    call("data", "--dataset", "synthetic", "--out", tmp_path / "frames")
    (tmp_path / "frames" / "dataset.yaml").unlink()
    data = {"dataset": "parquet", "folder": str(tmp_path / "frames")}
    first = save_run("first", data=data)
    second = save_sliced_run("second", data=data)
    prints = [RunFolder(each).data_fingerprint() for each in (first, second)]
    assert prints[0].digest != prints[1].digest
    evaluate = ["evaluate", "--run", first, "--against", second, "--baselines", "none", "--json"]
    done = call(*evaluate)
    assert done.exit_code == 0, done.stderr
    assert "watch/ndcg_at_10" in json.loads(done.stdout)["paired"]
    # Of runs that read the same columns the digests tell whether their data were the same.
    third = save_run("third", data=data)
    values = json.loads((third / "data.json").read_text())
    (third / "data.json").write_text(json.dumps({**values, "digest": "0" * 64}))
    refused = call(*evaluate[:4], third)
    assert refused.exit_code == 4
    assert "compare runs of the same data" in refused.stderr


def test_what_is_wrong_with_the_other_run_is_told_before_anything_long(
    call, save_run, small_sections, tmp_path
):
    first = save_run("first")
    tasks = small_sections["features_and_tasks"]["tasks"]
    likes = [{**each, "label": "like"} if each["name"] == "click" else each for each in tasks]
    second = save_run("second", features_and_tasks={"tasks": likes})
    refused = call("evaluate", "--run", first, "--against", second)
    assert refused.exit_code == 2
    assert "the task 'click' must have the same kind, label" in refused.stderr
    assert "model.keras" not in refused.stderr

    # Nobody knows of what data the first run is; the other tells its own.
    (first / "data.json").unlink()
    values = json.loads((second / "data.json").read_text())
    (second / "data.json").write_text(json.dumps({**values, "digest": "0" * 64}))
    refused = call("evaluate", "--run", first, "--against", second)
    assert refused.exit_code == 4
    assert f"error: {second} was trained on" in refused.stderr
    assert "model.keras" not in refused.stderr

    refused = call("evaluate", "--run", first, "--against", tmp_path / "none")
    assert refused.exit_code == 2
    assert f"error: {tmp_path / 'none'} holds no run; make one" in refused.stderr


def test_sequential_runs_are_tested_beside_each_other(call, save_sequence_run):
    first, second = save_sequence_run("first"), save_sequence_run("second", training={"seed": 7})
    # Another list is measured than would be exported.
    seen = ("--set", "evaluation.is_seen_excluded=false", "--set", "evaluation.metrics=[novelty]")
    evaluate = ["evaluate", "--run", first, "--baselines", "popularity", *seen]
    done = call(*evaluate, "--against", second, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    name = "retrieval/novelty_at_10"
    difference = told["model"][name] - told["against"][name]
    assert told["paired"][name]["difference"] == pytest.approx(difference, abs=1e-6)
    assert "retrieval/ndcg_at_10" in told["paired"]
    assert told["popularity"]["retrieval/ndcg_at_10"] > 0
    assert "training and measuring the baseline popularity" in done.stderr
    assert "no metric is told of both runs" not in done.stderr


def test_metric_that_only_one_run_can_tell_is_told_of_that_one(call, save_run, small_sections):
    tasks = small_sections["features_and_tasks"]["tasks"]
    others = [task for task in tasks if task["kind"] != "binary"]
    first = save_run("first", evaluation={"metrics": ["gauc", "novelty"]})
    second = save_run("second", features_and_tasks={"tasks": others})
    done = call("evaluate", "--run", first, "--against", second, "--baselines", "none", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert "click/gauc" in told["model"]
    assert "watch/novelty_at_10" in told["against"]
    assert not any(name.endswith("gauc") for name in told["against"])


def test_runs_without_a_metric_in_common_are_said_to_be_so(call, save_run, save_sequence_run):
    first, second = save_run("first"), save_sequence_run("second")
    evaluate = ["evaluate", "--run", first, "--against", second, "--baselines", "none", "--json"]
    # Of a sequential run there are no judged rows to be told of.
    done = call(*evaluate, "--set", "evaluation.metrics=[gauc]")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"model", "against"}
    assert "click/gauc" in told["model"]
    assert "no metric is told of both runs: their tasks have other names" in done.stderr
