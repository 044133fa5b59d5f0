"""The benchmark of next-item quality, on generated events."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_tf.datasets import load_dataset

pytestmark = pytest.mark.checkout

TINY = {
    "sequence": {"embedding_dim": 4, "max_length": 8, "encoder_options": {"num_layers": 1}},
    "training": {"batch_size": 8, "epochs": 1},
}


@pytest.fixture(scope="module")
def benchmark_module(load_script):
    return load_script("sequence_quality")


@pytest.fixture(scope="module")
def values(benchmark_module):
    interactions = load_dataset("synthetic", num_users=50, num_items=300, num_events=1000)
    return benchmark_module.measure(interactions, TINY, seed=0, new_user_share=0.1)


def test_every_shown_metric_is_measured(benchmark_module, values):
    for name in (*benchmark_module.SHOWN, "validation_hr", "validation_ndcg", "new_hr"):
        assert 0 <= values[name] <= 1, name
    # Whoever is before all others is before some of them.
    assert values["sampled_hr"] >= values["hr"]
    assert values["parameters"] > 300 * 4


def test_only_quick_runs_are_held_to_twenty_minutes(benchmark_module):
    seconds = {"seconds": 600.0, "parameters": 1.0, "new_hr": 0.1, "new_ndcg": 0.1}
    values = {**dict.fromkeys(benchmark_module.SHOWN, 0.32), **seconds}
    runs = {"quick": [values], "longest": [values], benchmark_module.NEW_USERS: [values]}
    rows = {row.name: row for row in benchmark_module.make_rows(runs)}
    assert rows["training, quick"].holds is True
    assert rows["training, longest"].holds is None
    assert rows["HR@10, all films, quick"].holds is True
    assert rows["HR@10, all films, longest"].holds is False
    known, new = (
        f"HR@10, all films, one user in ten, {who}" for who in ("known", "new to the model")
    )
    assert rows[known].value == rows[new].value == 0.1


def test_a_run_without_its_test_rows_reads_none(benchmark_module, monkeypatch):
    def refused(model, data, part="test"):
        assert part == "validation"
        return ranking(model, data, part)

    ranking = benchmark_module.sequence_ranking
    monkeypatch.setattr(benchmark_module, "sequence_ranking", refused)
    monkeypatch.setattr(benchmark_module, "fit", lambda *_, **__: None)
    interactions = load_dataset("synthetic", num_users=30, num_items=160, num_events=600)
    found = benchmark_module.measure(interactions, TINY, seed=0, is_test_read=False)
    assert not {*benchmark_module.SHOWN, "new_hr"} & set(found)


def test_ncf_split_keeps_each_users_last_training_row_for_validation(load_script):
    interactions = load_dataset("synthetic", num_users=20, num_items=40, num_events=400)
    events = interactions.events.assign(is_ncf_test=False)
    # Of each user the row of the latest time, and of equal times the last one.
    order = np.lexsort((np.arange(len(events)), events["timestamp"], events["user_id"]))
    of_user = events["user_id"].to_numpy()[order]
    last = order[np.flatnonzero(np.append(of_user[1:] != of_user[:-1], True))]
    events.loc[last, "is_ncf_test"] = True
    split = load_script("ncf_quality").ncf_split(replace(interactions, events=events))
    assert sorted(split.test) == sorted(last)
    before = dict(iter(events.drop(index=last).groupby("user_id")))
    assert sorted(events.loc[split.validation, "user_id"]) == sorted(before)
    for row in split.validation:
        assert events.loc[row, "timestamp"] == before[events.loc[row, "user_id"]]["timestamp"].max()
