"""Losses that do not see their labels, and parts that no gradient reaches."""

import numpy as np

from recsys_tf.self_checks import blind_tasks, dead_parts

NAN = np.nan


def test_task_of_one_class_is_not_called_blind():
    losses_of = lambda labels: {"click": 1.0}  # noqa: E731
    assert blind_tasks(losses_of, {"click": np.ones(5)}, {"click": np.ones(5)}) == []
    assert blind_tasks(losses_of, {"click": np.arange(5.0)}, {"click": np.ones(5)}) == ["click"]


def test_missing_labels_stay_missing_when_labels_change_places():
    seen = []
    labels = np.array([NAN, 1.0, 0.0, 0.0])
    blind_tasks(
        lambda x: seen.append(x["click"]) or {"click": 0.0}, {"click": labels}, {"click": None}
    )
    assert np.isnan(seen[1]).tolist() == [True, False, False, False]
    assert seen[1][1] == 0
    assert np.nansum(seen[1]) == 1


def test_dead_variables_are_named_by_the_part_that_holds_only_dead_ones():
    reached = {"q/a/k": False, "q/b/k": False, "c/a/k": False, "c/a/b": True, "top": False}
    assert dead_parts(reached) == {"q": ["q/a/k", "q/b/k"], "c/a/k": ["c/a/k"], "top": ["top"]}
