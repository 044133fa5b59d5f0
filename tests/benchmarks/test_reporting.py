import json
import math

import numpy as np
import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def reporting(load_script):
    return load_script("reporting")


@pytest.mark.parametrize(
    ("value", "rule", "bound", "holds"),
    [
        (2.0, "at_most", 2.0, True),
        (2.1, "at_most", 2.0, False),
        (2.0, "at_least", 2.0, True),
        (1.9, "at_least", 2.0, False),
        (math.nan, "at_least", 2.0, False),
        (math.nan, "at_most", 2.0, False),
        (1.0, None, None, None),
    ],
)
def test_rule_is_judged_from_value_and_bound(reporting, value, rule, bound, holds):
    assert reporting.Row("x", value, "s", rule=rule, bound=bound).holds is holds


def test_file_has_the_fields_of_the_layout(reporting, tmp_path, capsys):
    rows = [
        reporting.Row("ours", np.float32(0.5), "s", 0.1, 1.0, "paper", "at_most", 2.0),
        reporting.Row("peer", 12_345.6, "s"),
        reporting.Row("broken", math.nan, "s", rule="at_least", bound=1.0),
    ]
    assert not reporting.report("benchmarks/some_claim.py", rows, "tiny data", [1, 2], tmp_path)
    content = json.loads((tmp_path / "some_claim.json").read_text())
    assert list(content) == ["command", "machine", "versions", "data", "seeds", "rows"]
    assert list(content["rows"][0]) == [
        "name",
        "value",
        "unit",
        "spread",
        "reference",
        "reference_name",
        "rule",
        "bound",
        "holds",
    ]
    assert [row["holds"] for row in content["rows"]] == [True, None, False]
    assert [row["value"] for row in content["rows"]] == [0.5, 12_345.6, None]
    assert content["seeds"] == [1, 2]
    assert content["versions"]["numpy"] == np.__version__
    printed = capsys.readouterr().out
    assert "| ours   | 0.5 ± 0.1 | s    | 1 (paper) | ≤ 2   | yes   |" in printed
    assert "| broken | undefined | s    |           | ≥ 1   | NO    |" in printed
    assert list(tmp_path.iterdir()) == [tmp_path / "some_claim.json"]


def test_report_says_that_all_hold(reporting, tmp_path):
    rows = [reporting.Row("ours", 1.0, "s", rule="at_most", bound=2.0)]
    assert reporting.report("x.py", rows, "", folder=tmp_path)


def test_rule_without_a_bound_is_an_error(reporting):
    with pytest.raises(ValueError, match=r"`rule` and `bound` go together, received 'at_most' and"):
        reporting.Row("x", 1.0, "s", rule="at_most")


def test_unknown_rule_is_an_error(reporting):
    with pytest.raises(ValueError, match=r"'at_least' or 'at_most', received 'below'"):
        reporting.Row("x", 1.0, "s", rule="below", bound=1.0)


def test_versions_are_those_that_the_work_was_done_under(reporting, tmp_path):
    rows, versions = [reporting.Row("x", 1.0, "s")], {"tensorflow": "9.9"}
    reporting.report("benchmarks/x.py", rows, "data", folder=tmp_path, measured_under=versions)
    assert json.loads((tmp_path / "x.json").read_text())["versions"] == versions
