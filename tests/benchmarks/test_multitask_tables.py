"""Which trials the tables of several tasks are made of, and what is held to a bound."""

from dataclasses import replace

import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def script(load_script):
    pytest.importorskip("sklearn")
    return load_script("multitask_tables")


def test_weightings_meet_all_methods_or_those_named(script):
    methods, weightings = ["trees", "mmoe", "cgc"], ["fixed", "dwa"]
    pairs = [("trees", ""), ("mmoe", "fixed"), ("mmoe", "dwa"), ("cgc", "fixed"), ("cgc", "dwa")]
    assert script.combinations(methods, weightings) == pairs
    assert script.combinations(methods, weightings, ["mmoe"]) == pairs[:-1]


def test_chosen_by_validation_rows_and_held_to_twin_trees_and_paper(script):
    def run(validation, test):
        return {"buy/validation_auc": validation, "buy/test_auc": test, "parameters": 9.0}

    runs = {
        ("trees", ""): [{"buy/validation_auc": 0.9, "buy/test_auc": 0.85}],
        ("single_task", ""): [run(0.7, 0.70)],
        ("mmoe", "fixed"): [run(0.8, 0.75)],
        ("mmoe", "dwa"): [run(0.7, 0.99)],
    }
    rows = script.make_rows(runs, ["buy"], {"buy": (0.6, "paper")})
    claims = [row for row in rows if row.rule is not None]
    assert {row.name for row in claims} == {"buy, chosen by validation: mmoe, fixed"}
    assert {row.reference_name: (row.value, row.bound, row.holds) for row in claims} == {
        "single_task, same rows": (0.75, 0.70, True),
        "trees, same rows": (0.75, 0.85, False),
        "paper": (0.75, 0.6, True),
    }
    assert [row.value for row in rows if row.name.startswith("parameters")] == [9.0] * 3


def test_chosen_is_what_is_worse_than_no_twin(script):
    def run(click, buy):
        return {"click/validation_auc": click, "buy/validation_auc": buy} | {
            f"{task}/test_auc": 0.5 for task in ("click", "buy")
        }

    runs = {
        ("single_task", ""): [run(0.6, 0.6), run(0.8, 0.6)],
        ("ple", "fixed"): [run(0.69, 0.9), run(0.69, 0.9)],  # Best by the mean.
        ("stem", "fixed"): [run(0.71, 0.62), run(0.71, 0.62)],
    }
    assert "chosen by validation: stem" in script.make_rows(runs, ["click", "buy"], {})[-1].name


def test_stem_gets_wider_embeddings_and_keeps_crosses_and_trunk(script):
    settings = script.PROBLEMS["census"].settings
    settings = replace(settings, embedding_dim=8, trunk_dims=(128,), num_cross_layers=1)
    assert script.settings_for("stem", settings, 2) == replace(settings, embedding_dim=24)
    assert script.settings_for("mmoe", settings, 2) == settings
