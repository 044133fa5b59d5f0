"""The script of planted relations, on a few rows: rules are what they say, shares add up."""

from dataclasses import replace

import numpy as np
import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def relations(load_script):
    pytest.importorskip("sklearn")
    return load_script("planted_relations")


@pytest.fixture(scope="module")
def rules(load_script):
    return load_script("planted_rules")


@pytest.fixture(scope="module")
def sizes(rules):
    return rules.Sizes(train=600, validation=300, test=3_000)


def test_log_odds_are_the_sum_of_bias_single_fields_and_pairs(rules):
    mains, pairs = np.zeros((6, 12)), np.zeros((3, 12, 12))
    mains[2, 5], pairs[0, 1, 2], pairs[2, 3, 4] = 1.0, 2.0, -4.0
    rule = rules.Rule(mains, pairs, bias=0.5)
    fields = np.array([[1, 2, 5, 0, 3, 4], [0, 0, 0, 0, 0, 0]])
    expected = 1 / (1 + np.exp([-(0.5 + 1.0 + 2.0 - 4.0), -0.5]))
    np.testing.assert_allclose(rule.probabilities(fields), expected)


def test_a_conflicting_rule_reads_pairs_the_other_way_and_single_fields_alike(rules):
    rule = rules.draw_rule(np.random.default_rng(0))
    other = rules.conflicting(rule)
    np.testing.assert_array_equal(other.mains, rule.mains)
    np.testing.assert_array_equal(other.pairs, -rule.pairs)


def test_a_funnels_second_step_succeeds_only_after_the_first(rules, sizes):
    planted = rules.plant_tasks("funnel", 0, sizes)
    rows = planted.table.rows
    assert not ((rows["second"] == 1) & (rows["first"] == 0)).any()
    assert planted.table.schema.parents == {"second": "first"}


def test_aligned_tasks_are_labelled_apart_and_the_test_is_whole(rules, sizes):
    planted = rules.plant_tasks("aligned", 0, sizes)
    known = planted.table.rows["second"].notna().to_numpy()
    assert 0.05 < known[:900].mean() < 0.15
    assert known[900:].all()
    # One rule: the two optima differ by the luck of the labels alone.
    assert abs(planted.optimum["first"] - planted.optimum["second"]) < 0.03


@pytest.mark.parametrize("relation", ["same", "shifted", "opposite"])
def test_scenarios_share_no_test_row_and_leave_none_out(rules, sizes, relation):
    planted = rules.plant_scenarios(relation, 0, sizes)
    of_groups = np.sort(np.concatenate(list(planted.groups.values())))
    np.testing.assert_array_equal(of_groups, planted.parts[2])
    assert all(0.7 < optimum < 0.95 for optimum in planted.optimum.values())


@pytest.mark.parametrize(
    ("relation", "method", "groups"),
    [
        ("funnel", "single_task", ("first", "second")),
        ("opposite", "star", ("large", "middle", "small")),
    ],
)
def test_a_method_is_measured_against_the_optimum(relations, sizes, relation, method, groups):
    settings = replace(
        relations.settings_of(relation), epochs=1, embedding_dim=2, expert_dim=4, scenario_dim=4
    )
    values = relations.measure(relation, method, settings, 0, sizes)
    for name in groups:
        above = values[f"{name}/test_auc"] - 0.5
        assert values[f"{name}/share"] == pytest.approx(above / (values[f"{name}/optimum"] - 0.5))
        assert values[f"{name}/share"] < 1


def test_a_claim_is_a_gain_over_the_base_on_the_groups_it_is_about(relations):
    def run(first, second):
        values = {"first/share": first, "second/share": second}
        return values | {"first/optimum": 0.8, "second/optimum": 0.8}

    runs = {
        ("funnel", "shared_bottom"): [run(0.9, 0.5), run(0.9, 0.7)],
        ("funnel", "aitm"): [run(0.5, 0.6), run(0.5, 0.8)],
        ("funnel", "esmm"): [run(0.9, 0.4), run(0.9, 0.6)],
    }
    rows = relations.make_rows(runs)
    claims = {row.name: (row.value, row.holds) for row in rows if row.rule}
    assert claims == {
        "funnel, second, gain of aitm": (pytest.approx(0.1), True),
        "funnel, second, gain of esmm": (pytest.approx(-0.1), False),
    }
    assert [row.value for row in rows if "best" in row.name] == [pytest.approx(0.75)]


def test_a_chain_stands_on_the_shared_bottom(relations):
    settings, blocks = relations._blocks("esmm", relations.TASK_SETTINGS, 2)
    assert settings.run_config(0, **blocks).model.chain == "esmm"
    assert blocks["multitask"] == "shared_bottom"


def test_chains_are_measured_on_the_funnel_alone(relations):
    assert "esmm" in relations.methods_of("funnel")
    assert "esmm" not in relations.methods_of("conflicting")
    assert "mmoe" not in relations.methods_of("shifted")
