"""A ranker of a table by the commands alone: a run with `table`."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandas as pd
import pytest

from recsys_tf.cli.kinds import TableRows
from recsys_tf.config import RunConfig

TABLE_RUN = {
    "data": {"dataset": "csv", "split": "random", "test_share": 0.25},
    "table": {
        "features_and_tasks": {
            "features": [
                {"kind": "numeric", "name": "price", "side": "item"},
                {"kind": "categorical", "name": "shop", "side": "context"},
            ],
            "tasks": [
                {"kind": "binary", "name": "click", "label": "click"},
                {"kind": "regression", "name": "stars", "label": "stars", "value_range": [1, 5]},
            ],
        }
    },
    "model": {"embedding_dim": 4, "trunk_dims": [8], "expert_dim": 8, "head_dims": []},
    "training": {"batch_size": 32, "epochs": 3, "learning_rate": 0.03, "steps_per_execution": 1},
    "export": {"calibration": {"click": "platt"}},
}


def frame():
    rng = np.random.default_rng(1)
    price = rng.normal(size=400).round(3)
    return pd.DataFrame(
        {
            "price": price,
            "shop": rng.choice(["a", "b"], 400),
            "click": (price + rng.normal(size=400) > 0).astype(int),
            "stars": np.clip(np.round(3 + price), 1, 5),
        }
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with a table of 400 rows, whose price says most of both labels."""
    (tmp_path / "shop").mkdir()
    frame().to_csv(tmp_path / "shop" / "rows.csv", index=False)
    return tmp_path / "shop"


@pytest.fixture
def table_run(folder, tmp_path):
    """A file that describes a run of three epochs of a small ranker."""
    path = tmp_path / "table.yaml"
    values = copy.deepcopy(TABLE_RUN)
    values["data"]["folder"] = str(folder)
    RunConfig.from_dict(values).to_yaml(path)
    return path


def test_table_becomes_metrics(call, table_run, folder, interrupted_once, weights, tmp_path):
    import tensorflow as tf

    run = tmp_path / "run"
    train = ["train", "--config", table_run, "--out", run]
    stopped = call(*train)
    assert stopped.exit_code == 130, stopped.stderr
    assert "interrupted after 1 of 3 epochs; the same command goes on" in stopped.stderr
    trained = call(*train)
    assert trained.exit_code == 0, trained.stderr
    assert "going on from the last checkpoint" in trained.stderr
    assert interrupted_once == [0, 1, 1, 2]
    history = json.loads((run / "history.json").read_text())
    assert [len(history[name]) for name in ("loss", "val_loss", "val_click_auc")] == [3, 3, 3]

    # Broken off or not, the model is the same one.
    gone_on = weights(run)
    at_once = call(*train, "--overwrite")
    assert at_once.exit_code == 0, at_once.stderr
    for mine, other in zip(gone_on, weights(run), strict=True):
        assert mine == pytest.approx(other, abs=1e-5)

    asked = ["evaluate", "--run", run, "--json"]
    sliced = ["--set", "evaluation.slices=[shop]", "--set", "evaluation.confidence=0.9"]
    measured = call(*asked, *sliced)
    assert measured.exit_code == 0, measured.stderr
    values = json.loads(measured.stdout)
    assert set(values) == {"model", "intervals", "slices"}
    assert {"click/auc", "click/log_loss", "stars/rmse", "stars/mae"} <= set(values["model"])
    assert 0.5 < values["model"]["click/auc"] <= 1
    for name in ("click/auc", "stars/rmse"):
        low, high = values["intervals"][name]
        assert low < values["model"][name] < high
    shops = [values["slices"][f"shop={name}"] for name in ("a", "b")]
    assert sum(each["stars/num_rows"] for each in shops) == 100
    squares = sum(each["stars/num_rows"] * each["stars/rmse"] ** 2 for each in shops)
    assert squares / 100 == pytest.approx(values["model"]["stars/rmse"] ** 2, rel=1e-4)
    shown = call("evaluate", "--run", run, *sliced[:2])
    assert shown.exit_code == 0, shown.stderr
    assert "csv, test rows" in shown.stdout
    assert "by shop" in shown.stdout

    for option, text in (
        (("--baselines", "popularity"), "baselines learn from users and items"),
        (("--against", run), "compares lists and rows of users"),
    ):
        refused = call(*asked, *option)
        assert refused.exit_code == 2
        assert text in refused.stderr

    exported = call("export", "--run", run, "--out", tmp_path / "models")
    assert exported.exit_code == 0, exported.stderr
    assert "fitting calibrations on the validation rows" in exported.stderr
    rank = tf.saved_model.load(str(tmp_path / "models" / "1")).signatures["rank"]
    answer = rank(price=tf.constant([-2.0, 2.0]), shop=tf.constant(["a", "new"]))
    assert set(answer) == {"click", "stars"}
    for values in answer.values():
        assert values.numpy()[0] < values.numpy()[1]

    # Calibrations would be fitted to rows that may have been trained on.
    changed = frame()
    changed.loc[0, "price"] += 1
    changed.to_csv(folder / "rows.csv", index=False)
    for command in (asked, ["export", "--run", run, "--out", tmp_path / "models"]):
        refused = call(*command)
        assert refused.exit_code == 4
        assert "was trained on 400 rows (digest " in refused.stderr


def test_step_is_profiled(call, table_run):
    asked = call("profile", "--config", table_run, "--rounds", 1, "--json")
    assert asked.exit_code == 0, asked.stderr
    assert json.loads(asked.stdout)["whole_ms"] > 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("data.split=time", "data.split: must be random with `table`"),
        ("data.history=others", "data.history: has no meaning for a table, received 'others'"),
        ("retrieval.loss=gbce", "retrieval.loss: has no meaning for a table"),
        ("model.tower_dims=[8]", "model.tower_dims: has no meaning for a table"),
        ("training.recency_half_life_days=3", "training.recency_half_life_days: has no meaning"),
        ("evaluation.cutoffs=[5]", "evaluation.cutoffs: has no meaning for a table"),
        ("export.max_k=5", "export.max_k: has no meaning for a table"),
        ("sequence.encoder=gru4rec", "sequence: must be left out with `table`"),
        ("table.test_rows=published", "table.test_rows: must be drawn for one's own files, of"),
        ("table.features_and_tasks=null", "table.features_and_tasks: must tell what the columns"),
        ("evaluation.slices=[shops]", "Did you mean 'shop'"),
        ("model.cross=dcn", "or 'dcn_v2'?"),
    ],
)
def test_what_is_not_read_or_not_there_is_told(change, text, call, table_run, tmp_path):
    asked = call("train", "--config", table_run, "--out", tmp_path / "run", "--set", change)
    assert asked.exit_code == 2, asked.stderr
    assert text in asked.stderr
    # Of the run alone: nothing was read and nothing claimed, but for what the data decide.
    is_of_data = change.startswith(("evaluation.slices", "model.cross"))
    assert is_of_data or not (tmp_path / "run").exists()


def test_calibration_that_the_labels_do_not_define_is_told(call, table_run, folder, tmp_path):
    frame().assign(click=1).to_csv(folder / "rows.csv", index=False)
    asked = call("train", "--config", table_run, "--out", tmp_path / "run")
    assert asked.exit_code == 2
    assert "export.calibration.click: " in asked.stderr


def test_columns_that_are_not_there_are_told(call, table_run, folder, tmp_path):
    frame().rename(columns={"price": "prize"}).to_csv(folder / "rows.csv", index=False)
    asked = call("train", "--config", table_run, "--out", tmp_path / "run")
    assert asked.exit_code == 4
    assert "`rows.csv` lacks 1 of 4 columns" in asked.stderr
    assert "'price'" in asked.stderr
    assert "'prize'" in asked.stderr


@pytest.mark.parametrize("command", [["data"], ["recommend", "--target", "x:1", "--user", "u"]])
def test_commands_of_users_and_items_say_what_to_do(command, call, table_run):
    asked = call(*command, "--config", table_run)
    assert asked.exit_code == 2
    assert "table: must be left out" in asked.stderr
    assert "`recsys-tf train`" in asked.stderr


@pytest.mark.pipeline
@pytest.mark.parametrize("command", ["pipeline", "demo"])
def test_pipeline_says_what_to_do_before_any_work(command, call, tmp_path):
    data = ["--dataset", "ml-1m", "--data-dir", tmp_path / "none", "--root", tmp_path / "root"]
    changes = ["--set", "table.test_rows=drawn", "--set", "data.split=random"]
    asked = call(command, *data, *changes)
    assert asked.exit_code == 2
    assert "table: must be left out for the TFX pipeline" in asked.stderr
    assert not (tmp_path / "root").exists()


def test_dataset_that_is_a_table_is_told(call, tmp_path):
    asked = call("train", "--dataset", "adult", "--out", tmp_path / "run")
    assert asked.exit_code == 2
    assert "'adult' is a table" in asked.stderr
    assert "there give the run a `table`, such as by `--set table.test_rows" in asked.stderr


def test_rows_that_cannot_be_used_are_told(table_run, folder, capsys):
    stars = frame()["stars"].astype(float)
    stars[:3] = [9.0, 9.0, 0.5]
    frame().assign(stars=stars).to_csv(folder / "rows.csv", index=False)
    assert len(TableRows.load(RunConfig.from_yaml(table_run)).data.table) == 397
    assert "3 rows were rejected: 3 stars: outside [1, 5]" in capsys.readouterr().err


def test_same_rows_are_held_out_in_each_run(table_run):
    run = RunConfig.from_yaml(table_run)
    one, other = TableRows.load(run).data, TableRows.load(run).data
    np.testing.assert_array_equal(one.test, other.test)
    # A quarter, then a tenth of what is left.
    assert [len(getattr(one, part)) for part in ("test", "validation", "train")] == [100, 30, 270]
