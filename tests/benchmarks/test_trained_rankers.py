"""The scripts that train rankers, on a few generated rows: their functions run and add up."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_tf import CategoricalFeature, NumericFeature, TableSchema, TaskSpec
from recsys_tf.datasets import LabelledTable

NUM_ROWS = 240

pytestmark = pytest.mark.checkout


@pytest.fixture
def trials(load_script):
    return load_script("trials")


@pytest.fixture
def untrained(trials, monkeypatch):
    """Leaves a model as it was made: what is done around training does not depend on it."""

    def fit(model, *_, callbacks, **__):
        model.run_eagerly = True
        for each in callbacks:
            each.set_model(model)
            each.on_epoch_end(0)
            each.on_train_end()

    monkeypatch.setattr(trials, "fit", fit)


@pytest.fixture
def trees(load_script, monkeypatch):
    pytest.importorskip("sklearn")
    module = load_script("boosted_trees")
    monkeypatch.setattr(module, "MAX_TREES", 10)
    return module


@pytest.fixture
def tables(load_script, trees):
    return load_script("multitask_tables")


@pytest.fixture
def scenarios(load_script):
    return load_script("scenario_movielens")


@pytest.fixture
def table():
    """Two tasks of one number and one category; the last 40 rows are the published test."""
    random = np.random.default_rng(0)
    age, job = random.normal(size=NUM_ROWS), random.choice(["a", "b", ""], NUM_ROWS)
    rows = pd.DataFrame({"age": age, "job": job.astype(object)})
    rows["buys"] = (age + random.normal(size=NUM_ROWS) > 0).astype(np.float32)
    rows["likes"] = ((job == "a") ^ (random.random(NUM_ROWS) < 0.2)).astype(np.float32)
    schema = TableSchema(
        features=(
            NumericFeature(name="age", side="user"),
            CategoricalFeature(name="job", side="user"),
        ),
        tasks=tuple(TaskSpec(name=name, kind="binary", label=name) for name in ("buys", "likes")),
    )
    return LabelledTable(schema, rows, np.arange(NUM_ROWS - 40, NUM_ROWS))


@pytest.fixture
def settings(trials):
    return trials.Settings(
        embedding_dim=3, expert_dim=4, num_experts=2, head_dims=(), batch_size=64, epochs=2
    )


def test_a_trial_in_the_log_is_not_run_again(trials, tmp_path):
    path = tmp_path / "log.jsonl"
    first = trials.TrialLog(path).measure({"seed": 0}, lambda: {"auc": np.float32(0.5)})
    again = trials.TrialLog(path).measure({"seed": 0}, lambda: pytest.fail("was run again"))
    assert first == again == {"auc": 0.5}


def test_a_line_that_a_kill_cut_off_is_run_again(trials, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"trial": {"seed": 0}, "values": {"auc": 1.0}}) + '\n{"trial": {"s')
    log = trials.TrialLog(path)
    assert log.measure({"seed": 0}, dict) == {"auc": 1.0}
    assert log.measure({"seed": 1}, lambda: {"auc": 2.0}) == {"auc": 2.0}
    assert trials.TrialLog(path).measure({"seed": 1}, dict) == {"auc": 2.0}


def test_drawn_settings_are_different_and_begin_with_the_base(trials):
    base = trials.Settings()
    grid = {"dropout": (0.0, 0.2), "learning_rate": (1e-3, 2e-3)}
    drawn = list(trials.draw_settings(base, grid, 10))
    assert drawn[0] == base
    assert len(drawn) == len(set(drawn)) == 4


def test_grid_of_an_unknown_field_is_an_error(trials):
    with pytest.raises(ValueError, match="`grid` names no fields of `Settings`: width."):
        list(trials.draw_settings(trials.Settings(), {"width": (1,)}, 2))


def test_parts_share_no_row_and_keep_the_published_test(tables, table):
    train, validation, test = tables.split(table, 0)
    assert len(validation) == 30  # 15 % of the other 200.
    assert sorted(np.concatenate([train, validation])) == list(range(NUM_ROWS - 40))
    np.testing.assert_array_equal(test, table.published_test_rows)


def test_trees_see_codes_and_nan_for_what_the_training_rows_lack(trees, table):
    table.rows.loc[0, "job"] = "new"
    columns = trees.tree_columns(table, np.arange(1, NUM_ROWS))
    expected = table.rows["job"].map({"a": 0.0, "b": 1.0}).to_numpy(dtype=float)
    np.testing.assert_array_equal(columns[:, 1], expected)
    np.testing.assert_array_equal(columns[:, 0], table.rows["age"])


def test_numbers_alone_are_cut_into_bins(tables, table):
    binned = tables.with_bins(table, 4)
    assert [getattr(each, "num_bins", None) for each in binned.schema.features] == [4, None]
    assert binned.schema.tasks == table.schema.tasks
    assert binned.rows is table.rows


def check_values(values):
    for task in ("buys", "likes"):
        assert 0 <= values[f"{task}/validation_auc"] <= 1
        assert 0 <= values[f"{task}/test_auc"] <= 1


@pytest.mark.parametrize("method", ["single_task", "stem"])
def test_a_method_is_measured_on_each_task(tables, table, settings, untrained, method):
    settings = replace(settings, trunk_dims=(4,))
    check_values(tables.measure(tables.with_bins(table, 4), method, "fixed", settings, seed=0))


def test_a_method_is_trained_by_its_weighting(tables, table, settings):
    values = tables.measure(tables.with_bins(table, 4), "mmoe", "uncertainty", settings, seed=0)
    check_values(values)
    assert 1 <= values["epoch"] <= settings.epochs


def test_trees_learn_what_the_rows_say(tables, trees, table):
    values = tables.measure(table, "trees", "", None, seed=0)
    assert values["likes/test_auc"] > 0.6
    assert 1 <= values["epoch"] <= trees.MAX_TREES


def test_no_test_row_is_read_while_settings_are_chosen(tables, table, settings, untrained):
    for method in ("trees", "single_task", "shared_bottom"):
        values = tables.measure(table, method, "fixed", settings, seed=0, is_test_read=False)
        assert not [name for name in values if "test" in name]


def test_the_best_combination_is_chosen_by_validation_and_held_to_each_bound(tables):
    runs = {
        ("single_task", ""): [{"a/validation_auc": 0.9, "a/test_auc": 0.80, "seconds": 1.0}],
        ("mmoe", "fixed"): [{"a/validation_auc": 0.7, "a/test_auc": 0.95, "seconds": 1.0}],
        ("ple", "fixed"): [{"a/validation_auc": 0.8, "a/test_auc": 0.85, "seconds": 1.0}],
    }
    rows = tables.make_rows(runs, ["a"], {"a": (0.9, "paper")})
    claims = [(row.name, row.bound, row.holds) for row in rows if row.rule]
    name = "a, chosen by validation: ple, fixed"
    assert claims == [(name, 0.80, True), (name, 0.9, False)]


@pytest.fixture
def scenario_folder(tmp_path):
    """Six users of three age groups, four films, all pairs twenty times."""
    ages = ("1", "18", "25", "35", "45", "56")
    users = [f"{u + 1}::F::{age}::{u}::0{u}" for u, age in enumerate(ages)]
    (tmp_path / "users.dat").write_text("\n".join(users), encoding="latin-1")
    films = [f"{f + 1}::Café {f}::Drama|War" for f in range(4)]
    (tmp_path / "movies.dat").write_text("\n".join(films), encoding="latin-1")
    pairs = np.tile([[u + 1, f + 1] for u in range(6) for f in range(4)], (20, 1))
    noise = np.random.default_rng(0).random(len(pairs)) < 0.2
    pieces = {"user": pairs[:, 0], "movie": pairs[:, 1], "ge4": (pairs.sum(1) % 2 == 0) ^ noise}
    pd.DataFrame(pieces).to_parquet(tmp_path / "ml1m_recovered.parquet")
    return tmp_path


def test_rows_of_the_protocol_are_joined(scenarios, scenario_folder):
    rows = scenarios.load(scenario_folder).rows
    assert len(rows) == 480
    assert rows["first_genre"].unique().tolist() == ["Drama"]
    groups = rows.drop_duplicates("user").set_index("user")["age_group"].to_dict()
    assert groups == {
        **dict.fromkeys("12", "under_25"), "3": "25_to_34", **dict.fromkeys("456", "35_and_over")
    }  # fmt: skip


@pytest.mark.parametrize("method", ["shared", "star"])
def test_a_scenario_method_is_measured_in_each_scenario(
    scenarios, scenario_folder, settings, untrained, method
):
    settings = replace(settings, trunk_dims=(4,), scenario_dim=4)
    values = scenarios.measure(scenarios.load(scenario_folder), method, settings, seed=0)
    for name in ("test_auc", "test_auc/under_25", "test_auc/25_to_34", "test_auc/35_and_over"):
        assert 0 <= values[name] <= 1


def test_the_chosen_block_may_be_worse_in_no_scenario(scenarios):
    groups = ("under_25", "25_to_34", "35_and_over")
    common = {"seconds": 1.0, "parameters": 2.0, "like/validation_auc": 0.8, "test_auc": 0.82}
    shared = {**common, **{f"test_auc/{group}": 0.8 for group in groups}}
    star = {**shared, "test_auc/25_to_34": 0.7}
    rows = scenarios.make_rows({"shared": [shared], "star": [star]})
    broken = [row.name for row in rows if row.holds is False]
    assert broken == ["gain in 25_to_34, star"]
