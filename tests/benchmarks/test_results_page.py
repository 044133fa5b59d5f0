"""The page of results: made of the files, and true to them."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def page(load_script):
    return load_script("results_page")


def row(name, value, rule=None, bound=None, reference_name=None):
    return {
        "name": name,
        "value": value,
        "unit": "AUC",
        "spread": None,
        "reference": None,
        "reference_name": reference_name,
        "rule": rule,
        "bound": bound,
        "holds": None if rule is None else value >= bound,
    }


def test_page_in_the_docs_is_that_of_the_files(page):
    assert page.PAGE.read_text(encoding="utf-8") == page.make_page()


def test_shared_measures_become_a_table_of_methods_and_claims_are_listed(page):
    rows = [
        row("click, ple", 0.75),
        row("buy, ple", 0.5, "at_least", 0.6),
        row("click, trees", 0.25),
        row("buy, trees", 0.125),
        row("rows", 9),
    ]
    shared, others = page.split_rows(rows)
    assert shared == rows[:4]
    assert others == [rows[1], rows[4]]
    assert page.by_method(shared).splitlines() == [
        "|       | click | buy   |",
        "| ----- | ----- | ----- |",
        "| ple   | 0.75  | 0.5   |",
        "| trees | 0.25  | 0.125 |",
    ]


def test_all_that_a_measure_is_compared_with_stands_below_it(page):
    rows = [row("click, ple", 0.75, reference_name="a"), row("buy, ple", 0.5)]
    rows += [row("click, trees", 0.25, reference_name="b"), row("buy, trees", 0.125)]
    assert page.by_method(rows).splitlines()[-1] == "| for comparison | (a); (b) |       |"


def test_measures_of_one_method_and_claims_of_one_name_make_no_table(page):
    rows = [row("click, ple", 1), row("buy, ple", 1)]
    rows += 2 * [row("click, chosen", 1, "at_least", 0.5)]
    assert page.split_rows(rows) == ([], rows)


def test_published_value_stands_below_its_measure(page):
    rows = [row("click, a", 1), row("click, b", 1, reference_name="paper")]
    assert page.by_method(rows).splitlines()[-1] == "| for comparison | (paper) |"


def test_figures_with_a_spread_in_the_readme_are_those_of_the_files(page):
    """Each as it is rounded there: as many digits as it shows."""
    known = [
        (each["value"], each["spread"])
        for path in page.RESULTS.glob("*.json")
        for each in json.loads(path.read_text(encoding="utf-8"))["rows"]
        if each["spread"] is not None
    ]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"(-?[\d,]*\.?\d+) ± ([\d,]*\.?\d+)", text)
    assert len(shown) > 10
    for pair in shown:
        digits = len(pair[0].partition(".")[2])
        value, spread = (float(each.replace(",", "")) for each in pair)
        assert any(
            round(v, digits) == pytest.approx(value) and round(s, digits) == pytest.approx(spread)
            for v, s in known
        ), pair


def test_result_of_a_search_names_its_trials(page, tmp_path):
    content = {
        "command": "x",
        "machine": {"processor": "p", "cores": 2},
        "versions": {},
        "data": "d",
        "seeds": [],
        "rows": [row("click, ple", 0.75)],
    }
    (tmp_path / "search.json").write_text(json.dumps(content))
    assert "trials" not in page.make_page(tmp_path)
    (tmp_path / "logs").mkdir()
    log, link = tmp_path / "logs" / "search.jsonl", "../benchmarks/results/logs/search.jsonl"
    log.write_text(2 * "{}\n")
    assert f"Its 2 trials: [search.jsonl]({link})." in page.make_page(tmp_path)
    log.write_text(2 * "{}\n" + 3 * '{"trial": {"is_search": true}}\n')
    said = f"Its 2 trials, and 3 of a search for settings: [search.jsonl]({link})."
    assert said in page.make_page(tmp_path)
