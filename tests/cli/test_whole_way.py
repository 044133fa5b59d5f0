"""From generated data to recommendations, by the commands alone."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def suspicious(monkeypatch):
    """Makes the self-checks find something."""
    from recsys_tf.self_checks import Finding, callback

    finding = Finding("leak", "click", "planted.")
    monkeypatch.setattr(callback, "run_self_checks", lambda *_: [finding])


def test_data_become_answers(
    call, small_synthetic, small_run, interrupted_once, suspicious, tmp_path
):
    run, models = tmp_path / "runs" / "first", tmp_path / "models"
    train = ["train", "--config", small_run, "--out", run]

    wrong = call(*train, "--set", "export.reranker=mrm")
    assert wrong.exit_code == 2
    assert (
        "export.reranker: `reranker` must be one of 'dpp', 'max_sum', 'mmr', received 'mrm'"
        in wrong.stderr
    )

    stopped = call(*train)
    assert stopped.exit_code == 130, stopped.stderr
    assert "interrupted after 1 of 2 epochs; the same command goes on" in stopped.stderr
    assert "\nself-check leak, click: planted.\n" in stopped.stderr
    assert not (run / "model.keras").exists()

    trained = call(*train)
    assert trained.exit_code == 0, trained.stderr
    assert "going on from the last checkpoint" in trained.stderr
    assert interrupted_once == [0, 1, 1]
    assert len(json.loads((run / "history.json").read_text())["val_loss"]) == 2
    assert sorted(each.name for each in run.iterdir()) == [
        "data.json", "features", "history.json", "model.keras", "run.yaml",
    ]  # fmt: skip

    measured = call("evaluate", "--run", run, "--baselines", "popularity,bias", "--json")
    assert measured.exit_code == 0, measured.stderr
    values = json.loads(measured.stdout)
    assert set(values) == {"model", "popularity", "bias"}
    assert 0 <= values["model"]["watch/hit_at_10"] <= 1
    assert set(values["bias"]) == {"rating/rmse"}

    exported = call("export", "--run", run, "--out", models)
    assert exported.exit_code == 0, exported.stderr
    assert [each.name for each in models.iterdir()] == ["1"]
    taken = call("export", "--run", run, "--out", models, "--version", 1)
    assert taken.exit_code == 2
    assert "the next free one is 2" in taken.stderr

    asked = call(
        "recommend", "--model-dir", models, "--user", "someone", "--history", "i1,i2",
        "--dataset", "synthetic", "--k", 3, "--json",
    )  # fmt: skip
    assert asked.exit_code == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert len(answer["items"]) == len(set(answer["items"])) == 3
    assert all(answer["titles"])
    assert {"watch", "click", "rating"} <= set(answer["tasks"])
