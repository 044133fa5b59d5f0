"""What the configuration wants of the answer is learned by `recsys-tf export` and told."""

from __future__ import annotations

import json

import pytest

GOAL = {"task": "click", "k": 3, "floors": {"watch": 0.001}}


@pytest.mark.parametrize("fusion", ["weighted_sum", "stacking"])
def test_weights_of_a_goal_are_learned_and_served(call, save_run, tmp_path, fusion):
    goal = GOAL if fusion == "weighted_sum" else {"task": "click"}
    export = {"goal": goal, "score_fusion": fusion, "calibration": {"click": "platt"}}
    run = save_run("run", export={**export, "num_candidates": 20, "max_k": 20})
    done = call("export", "--run", run, "--out", tmp_path / "models")
    assert done.exit_code == 0, done.stderr
    assert "fitting calibrations and weights on the validation rows" in done.stderr
    assert "weights learned for click: watch " in done.stderr
    extra = tmp_path / "models" / "1" / "assets.extra"
    learned = json.loads((extra / "answer_fit.json").read_text())
    assert learned["goal"]["task"] == "click"
    assert len(learned.get("trials", [])) == (400 if fusion == "weighted_sum" else 0)
    served = json.loads((extra / "score_fusion.json").read_text())
    assert served["config"]["weights"] == learned["weights"]
    assert set(learned["weights"]) == {"watch", "click", "rating"}


def test_floors_that_no_weights_reach_are_told_and_nothing_is_exported(call, save_run, tmp_path):
    export = {"goal": {"task": "click", "floors": {"watch": 1.0}}}
    run = save_run("run", export=export)
    done = call("export", "--run", run, "--out", tmp_path / "models")
    assert done.exit_code == 2
    assert "`floors` were met together by none of 400 trials" in done.stderr
    assert not (tmp_path / "models" / "1").exists()
