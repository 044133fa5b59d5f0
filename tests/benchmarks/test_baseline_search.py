"""The search of the baselines' settings, on a few generated events."""

import json

import numpy as np
import pytest
from scipy import sparse

from recsys_tf.baselines import BASELINES
from recsys_tf.datasets import load_synthetic, split_last_out
from recsys_tf.metrics import ranking_metrics

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("baseline_search")


@pytest.fixture(scope="module")
def problems(load_script):
    return load_script("baseline_problems")


@pytest.fixture
def problem(problems):
    """Forty users of two tastes; the parts are drawn from their events."""
    rng = np.random.default_rng(0)
    likes = (np.arange(40)[:, None] % 2) == (np.arange(16)[None, :] % 2)
    part_of = np.where(likes, rng.choice(4, size=likes.shape), 0)  # 1 train, 2 validation, 3 test

    def part(known, asked):
        seen, relevant = sparse.csr_matrix(known * 1.0), sparse.csr_matrix(asked * 1.0)
        return problems.Ranking(
            seen, lambda scores: ranking_metrics(scores, None, seen, relevant, (10,))
        )

    parts = {
        "validation": part(part_of == 1, part_of == 2),
        "test": part((part_of == 1) | (part_of == 2), part_of == 3),
    }
    published = {("ndcg_at_10", "ease"): (1.0, "x")}
    return problems.Problem("Generated", "ndcg_at_10", ("ndcg_at_10",), parts, published)


@pytest.fixture
def search(script, problem, tmp_path):
    return script.Search("generated", problem, script.TrialLog(tmp_path / "log.jsonl"))


@pytest.fixture
def linear_only(script, monkeypatch):
    kept = {name: script.GRIDS[name] for name in ("popularity", "bias", "ease")}
    monkeypatch.setattr(script, "GRIDS", kept)


def parts_of(log):
    return [json.loads(line)["trial"]["part"] for line in log.path.read_text().splitlines()]


def test_every_baseline_has_a_grid_of_its_own_settings(script):
    assert set(script.GRIDS) == set(BASELINES)
    for name in script.GRIDS:
        for settings in script.draw(name, 3):
            BASELINES[name](**settings)


def test_defaults_come_first_and_more_trials_go_on_from_fewer(script):
    few, many = list(script.draw("bpr", 4)), list(script.draw("bpr", 9))
    assert many[:4] == few
    assert {name: getattr(BASELINES["bpr"](), name) for name in few[0]} == few[0]
    assert len({json.dumps(each, sort_keys=True) for each in many}) == 9
    assert len(list(script.draw("ease", 99))) == len(script.GRIDS["ease"]["l2_regularization"])


def test_fixed_settings_are_those_of_every_trial(script):
    fixed = {script.HALF_LIFE: None}
    assert list(script.draw("popularity", 99, fixed)) == [fixed]
    drawn = list(script.draw("ease", 3, {script.HALF_LIFE: 7.0}))
    assert {each[script.HALF_LIFE] for each in drawn} == {7.0}
    assert [each["l2_regularization"] for each in drawn] == [
        each["l2_regularization"] for each in script.draw("ease", 3)
    ]


def test_best_setting_of_the_validation_part_is_chosen(search, script):
    settings, value, num_tried = search.best("ease", 5)
    tried = {each["l2_regularization"]: each for each in script.draw("ease", 5)}
    values = {
        l2: search.values("validation", "ease", each)["ndcg_at_10"] for l2, each in tried.items()
    }
    assert num_tried == len(values) == 5
    assert value == max(values.values()) == values[settings["l2_regularization"]]


def test_lowest_rating_error_is_chosen(search, problems, problem, monkeypatch):
    errors = iter([0.9, 0.8, 0.95])
    monkeypatch.setattr(problems.Ranking, "values_of", lambda *_: {"rating_rmse": next(errors)})
    _, value, _ = search.best("bias", 3)
    assert value == 0.8


def test_test_rows_are_read_after_all_trials_and_once(search, script, linear_only):
    rows, words = script.make_rows(search, num_trials=3, seeds=[0, 1])
    assert parts_of(search.log) == ["validation"] * 4 + ["test"] * 2
    values = {row.name: row for row in rows}
    assert values["settings tried, ease"].value == 3
    assert values["ndcg_at_10, ease"].reference == 1.0
    assert values["ndcg_at_10, ease"].spread is None
    assert "rating_rmse, bias" not in values  # No ratings are known there.
    assert words.startswith("popularity (popularity_half_life_days none); ease (l2_regularization ")
    script.make_rows(search, num_trials=3, seeds=[0, 1])
    assert len(parts_of(search.log)) == 6


def test_baseline_with_chance_is_measured_with_every_seed(search, script):
    settings = {"factors": 4, "num_iterations": 2}
    assert len(search.tested("implicit_als", settings, [0, 1, 2])) == 3
    assert len(search.tested("ease", {"l2_regularization": 1.0}, [0, 1, 2])) == 1


def test_no_trial_begins_when_the_time_is_over(script, search):
    done = search.values("validation", "popularity", {})
    late = script.Search("generated", search.problem, search.log, ends_at=0.0)
    assert late.values("validation", "popularity", {}) == done
    with pytest.raises(script.OutOfTimeError):
        late.values("test", "popularity", {})


def test_settings_that_diverge_are_the_worst_trial(search):
    values = search.values(
        "validation", "bpr", {"factors": 4, "learning_rate": 1e30, "num_iterations": 2}
    )
    assert values["ndcg_at_10"] == -np.inf


def test_known_rows_of_the_test_part_are_training_and_validation(problems, monkeypatch):
    data = load_synthetic(num_users=60, num_items=30, num_events=900)
    monkeypatch.setattr(problems, "load_sequences_protocol", lambda _: data)
    monkeypatch.setattr(problems, "NUM_SAMPLED", 3)
    problem = problems.PROBLEMS["ml-1m-last-out"](None)
    first, second = (problem.parts[name].known for name in problems.PARTS)
    split = split_last_out(data.events)
    assert first.sum() == len(split.train)
    assert second.sum() == len(split.train) + len(split.validation)
    values = problem.parts["test"].values_of(BASELINES["popularity"]())
    assert 0 <= values["hit_rate_at_10"] <= values["sampled_hit_rate_at_10"] <= 1
    assert "sampled_ndcg_at_10" not in problem.parts["validation"].values_of(
        BASELINES["popularity"]()
    )


def test_half_life_of_popularity_is_chosen_first_and_goes_to_new_users(
    script, problem, problems, tmp_path, monkeypatch
):
    kept = {"popularity": {script.HALF_LIFE: (None, 1.0)}, "ease": {"l2_regularization": (500.0,)}}
    monkeypatch.setattr(script, "GRIDS", kept)
    # What counts is what was had last: items 8 to 15 on the last day, to which all new ones go.
    known, asked = np.zeros((6, 16)), np.zeros((6, 16))
    known[:3, :8], known[3, 8:], asked[4:, 8:] = 1, 1, 1
    times = sparse.csr_matrix(np.where(known[3], 10.0, 1.0) * known * 86_400)
    relevant = sparse.csr_matrix(asked)

    def measure(scores):
        return ranking_metrics(scores, None, None, relevant, (10,))

    part = problems.Ranking(sparse.csr_matrix(known), measure, times)
    parts = {"validation": part, "test": part}
    timed = problems.Problem("Timed", "ndcg_at_10", ("ndcg_at_10",), parts, {})
    search = script.Search("timed", timed, script.TrialLog(tmp_path / "log.jsonl"))
    best = script.search_all(search, 5)
    assert best["popularity"][0] == {script.HALF_LIFE: 1.0}
    assert best["ease"][0] == {"l2_regularization": 500.0, script.HALF_LIFE: 1.0}
    assert best["ease"][1] == best["popularity"][1]
    # Where times mean nothing no half-life is tried.
    timeless = script.Search("timeless", problem, search.log)
    settings, _, num_tried = script.search_all(timeless, 5)["popularity"]
    assert (settings, num_tried) == ({script.HALF_LIFE: None}, 1)


def test_kept_log_has_every_trial_and_tells_what_was_chosen(
    search, script, tmp_path, linear_only, load_script
):
    script.make_rows(search, num_trials=3, seeds=[0, 1])
    path = script.log_path("generated", tmp_path)
    script.write_search_log(path, search.used.values())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert path == tmp_path / "logs" / "baseline_search_generated.jsonl"
    assert [line["part"] for line in lines] == parts_of(search.log)
    tried = [line for line in lines if (line["baseline"], line["part"]) == ("ease", "validation")]
    best = max(tried, key=lambda line: line["values"]["ndcg_at_10"])
    assert load_script("baseline_trials").chosen_settings(path)["ease"] == best["settings"]


def test_trial_that_diverged_is_null_in_the_kept_log(search, script, tmp_path):
    settings = {"factors": 4, "learning_rate": 1e30, "num_iterations": 2}
    search.values("validation", "bpr", settings)
    path = tmp_path / "kept.jsonl"
    script.write_search_log(path, search.used.values())
    line = json.loads(path.read_text())
    assert line["settings"] == settings
    assert line["values"]["ndcg_at_10"] is None


def test_seeds_are_left_out_of_what_was_chosen(load_script, tmp_path):
    trials = load_script("baseline_trials")
    of_bpr = [{"factors": 4, "seed": seed} for seed in (0, 1)]
    assert trials.of_seeds("bpr", {"factors": 4}, [0, 1]) == of_bpr
    assert trials.of_seeds("ease", {}, [0, 1]) == [{}]
    path = tmp_path / "log.jsonl"
    lines = [({"part": "test", "baseline": "bpr", "settings": each}, {}) for each in of_bpr]
    trials.write_search_log(path, lines)
    assert trials.chosen_settings(path) == {"bpr": {"factors": 4}}
    with pytest.raises(FileNotFoundError, match="must be the log of baseline_search.py"):
        trials.chosen_settings(tmp_path / "none.jsonl")


def test_settings_in_words(load_script):
    settings = {"alpha": 0.4, "is_idf_weighted": True, "half_life": None, "count": 20}
    words = load_script("baseline_trials").in_words(settings)
    assert words == "alpha 0.4, is_idf_weighted yes, half_life none, count 20"
