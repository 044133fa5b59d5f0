"""Ranking and rating of one joint model on MovieLens 100K, beside the baselines.

    python benchmarks/movielens_quality.py random --data-dir FOLDER
    python benchmarks/movielens_quality.py time --data-dir FOLDER

`random` is the papers' 80/20 split, `time` trains on the first 80 % of the rows by time. Training
and validation rows are trained on; nothing is chosen by the test rows. The baselines have the
settings that `baseline_search.py` chose, and where there is chance in them the same seeds. By time
most users are new; they are measured by themselves as well, beside what is popular.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence

from baseline_trials import Settings, chosen_settings, log_path, of_seeds, row_of_runs
from reporting import Row, add_results_option, report
from trials import mean_row

from recsys_tf import RunConfig, presets
from recsys_tf.baselines import BASELINES, Popularity
from recsys_tf.evaluation import evaluate, evaluate_baselines, model_ranking, ranking_problem
from recsys_tf.metrics import RankingValues, ranking_values
from recsys_tf.preparation import PreparedData, prepare
from recsys_tf.training import build_recommender, fit

SPLITS = {"random": presets.movielens_random, "time": presets.movielens_time}
# Metric: rule, bound, published reference and its name.
CLAIMS = {
    "random": {
        "watch/hit_at_100": ("at_least", 0.624, 0.624, "EASE"),
        "watch/ndcg_at_10": ("at_least", 0.4406, 0.4406, "EASE"),
        "rating/rmse": ("at_most", 0.91, 1.110, "TFRS tutorial, joint"),
    },
    "time": {
        "watch/hit_at_10": ("at_least", 0.049, 0.049, "popularity"),
        "watch/hit_at_50": ("at_least", 0.171, 0.171, "popularity"),
        "watch/hit_at_100": ("at_least", 0.294, 0.294, "popularity"),
    },
}
SHOWN = ("watch/hit_at_10", "watch/hit_at_50", "watch/hit_at_100", "watch/ndcg_at_10")
NEW_USERS = ", new users"


def run(config: RunConfig, seed: int) -> dict[str, float]:
    """Trains and measures one model; adds the seconds of training."""
    training = config.training.model_copy(update={"seed": seed})
    data = prepare(config.model_copy(update={"training": training}), is_validation_trained=True)
    model = build_recommender(data)
    started = time.perf_counter()
    fit(model, data.dataset("train"), None, training, verbose=2)
    seconds = time.perf_counter() - started
    values = {**evaluate(model, data, "test"), "seconds of training": seconds}
    return values | of_new_users(data, model_ranking(model, data, "test"))


def of_new_users(data: PreparedData, ranking: RankingValues) -> dict[str, float]:
    """Returns the metrics of users that nothing is known of; nothing where there are none."""
    is_new = ranking_problem(data, "test").is_new_user[ranking.user_indexes]
    if not is_new.any():
        return {}
    return {f"watch/{name}{NEW_USERS}": each for name, each in ranking.means(is_new).items()}


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split", choices=SPLITS)
    parser.add_argument("--data-dir", help="folder with the files of MovieLens 100K")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add_results_option(parser)
    arguments = parser.parse_args()
    config = SPLITS[arguments.split]()
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"folder": arguments.data_dir})}
    )
    chosen = chosen_settings(log_path(f"ml_100k_{arguments.split}"))
    runs = [run(config, seed) for seed in arguments.seeds]
    rows = [model_row(name, runs, arguments.split) for name in _names(runs[0])]
    data = prepare(config, is_validation_trained=True)
    rows += new_user_rows(data, runs)
    rows += baseline_rows(data, chosen, arguments.seeds)
    description = f"MovieLens 100K, {arguments.split} 80/20, all films ranked, seen films left out"
    seeds, folder = arguments.seeds, arguments.results
    sys.exit(not report(__file__, rows, description, seeds, folder, arguments.split))


def new_user_rows(data: PreparedData, runs: Sequence[Mapping[str, float]]) -> list[Row]:
    """Holds the model to what is popular, for the users that nothing is known of.

    Args:
        data: The data; known are training and validation rows.
        runs: The model's values by seed.

    Returns:
        A row of the model and one of popularity for each of `SHOWN`; none without new users.
    """
    problem = ranking_problem(data, "test")
    baseline = Popularity().fit(problem.known_positives)
    cutoffs = data.config.evaluation.cutoffs
    ranking = ranking_values(baseline.scores, None, problem.seen, problem.relevant, cutoffs)
    rows = []
    for name, value in of_new_users(data, ranking).items():
        if name.removesuffix(NEW_USERS) not in SHOWN:
            continue
        claim = {"reference": value, "reference_name": "popularity"}
        claim |= {"rule": "at_least", "bound": value}
        rows.append(row_of_runs(f"{name}, joint model", [each[name] for each in runs], **claim))
        rows.append(Row(f"{name}, popularity", value, ""))
    return rows


def baseline_rows(
    data: PreparedData, chosen: Mapping[str, Settings], seeds: Sequence[int]
) -> list[Row]:
    """Measures the baselines on the test rows, a half-life in popularity beside it without one.

    Args:
        data: The data; known are training and validation rows.
        chosen: The settings of each baseline.
        seeds: Seeds of the baselines that have one.
    """
    measured = {name: (name, settings) for name, settings in chosen.items()}
    half_life = chosen["popularity"].get("popularity_half_life_days")
    if half_life is not None:
        recent = f"popularity, half-life {half_life:g} days"
        measured = {"popularity": ("popularity", {}), recent: measured.pop("popularity")} | measured
    rows = []
    for label, (name, settings) in measured.items():
        made = {str(n): BASELINES[name](**s) for n, s in enumerate(of_seeds(name, settings, seeds))}
        runs = list(evaluate_baselines(data, "test", made).values())
        for metric in (*SHOWN, "rating/rmse"):
            if metric in runs[0]:
                of_runs = [each[metric] for each in runs]
                rows.append(row_of_runs(f"{metric}, {label}", of_runs))
    return rows


def model_row(name: str, runs: list[dict[str, float]], split: str) -> Row:
    """Makes the row of one metric of the model, mean and standard deviation over the seeds."""
    rule, bound, reference, source = CLAIMS[split].get(name, (None, None, None, None))
    return mean_row(
        f"{name}, joint model",
        [each[name] for each in runs],
        "s" if name.startswith("seconds") else "",
        reference=reference,
        reference_name=source,
        rule=rule,
        bound=bound,
    )


def _names(metrics: dict[str, float]) -> list[str]:
    wanted = (*SHOWN, "rating/rmse", "like/auc", "seconds of training")
    return [name for name in wanted if name in metrics]


if __name__ == "__main__":
    main()
