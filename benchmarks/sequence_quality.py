"""Next-item quality on MovieLens 1M: the sequential recommender beside the published figures.

    python benchmarks/sequence_quality.py --data-dir FOLDER
    python benchmarks/sequence_quality.py --data-dir FOLDER --search 8 --seeds 0

The protocol of SASRec: films of five events and more, each user's last film is the test and the
one before it validation. All films are ranked but those that the user has met; then the same
states rank the test film among 100 uniform ones that he has not met. `longest` trains as long as
it takes, `quick` is held to 20 minutes on two cores. New users: one in ten is left out of training
altogether and answered for by his history alone.

Read are the films alone, as SASRec reads them.

The settings are the best of four trials by hand, by validation rows, with learning rates of 0.001
and 0.003; all of them, and those below, also read timestamps that were mere places in the user's
row, which the recorded figures do not. Two trials before them, at 0.001, had told their test values
as well. The epochs of `quick` are as many as the 20 minutes hold with some to spare: with 14 and
with 22 of them, two seeds each had told their test values too (HR@10 .3151 and .3124, .3301 and
.3273), 22 took 21 and 22 minutes. `--search` tries others on validation rows alone. Each trial is
logged, and a second call goes on where the first was broken off.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from movielens_1m_sequences import load_sequences_protocol
from reporting import Row, report
from trials import TrialLog, Values, add_options, mean_row

from recsys_tf import DataConfig, EvaluationConfig, RunConfig, SequenceConfig, TrainingConfig
from recsys_tf.baselines import Popularity
from recsys_tf.datasets import Interactions
from recsys_tf.evaluation import ranking_problem, sequence_ranking, sequence_scores
from recsys_tf.metrics import RankingValues, draw_negatives, ranking_values, sampled_ranking_metrics
from recsys_tf.models import SequenceRecommender
from recsys_tf.preparation import PreparedData, SequenceData, prepare
from recsys_tf.training import fit
from recsys_tf.types import Array, IntArray

CUTOFF = 10
NUM_NEGATIVES = 100
MAX_MINUTES = 20
NEW_USERS = "new users"
"""The run that leaves one user in ten out of training."""

# Metric: bound, who published it.
PUBLISHED = {
    "quick": {
        "hr": (0.3152, "SASRec with full cross-entropy, Klenitskiy and Vasilev 2023"),
        "ndcg": (0.1821, "SASRec with full cross-entropy, Klenitskiy and Vasilev 2023"),
        "sampled_hr": (0.8245, "SASRec, Kang and McAuley 2018"),
        "sampled_ndcg": (0.5905, "SASRec, Kang and McAuley 2018"),
    },
    "longest": {
        "hr": (0.3642, "RecTools, large HSTU"),
        "ndcg": (0.2164, "RecTools, large HSTU"),
    },
}
SHOWN = {
    "hr": "HR@10, all films",
    "ndcg": "NDCG@10, all films",
    "sampled_hr": "HR@10, 100 negatives",
    "sampled_ndcg": "NDCG@10, 100 negatives",
}
_SEQUENCE = {
    "embedding_dim": 128,
    "windows": "all",
    "encoder_options": {"num_heads": 2, "activation": "gelu"},
}
_TRAINING = {"batch_size": 16, "epochs": 18, "learning_rate": 3e-3, "warmup_share": 0.05}
SETTINGS: dict[str, dict[str, Any]] = {
    "quick": {"sequence": _SEQUENCE, "training": _TRAINING},
    "longest": {"sequence": _SEQUENCE, "training": {**_TRAINING, "epochs": 60}},
}
GRID: dict[str, dict[str, Sequence[Any]]] = {
    "sequence": {
        "embedding_dim": (64, 128),
        "dropout": (0.1, 0.2, 0.3),
        "event_dropout": (0.0, 0.1),
        "windows": ("newest", "all"),
        "encoder": ("sasrec", "gru4rec", "hstu", "linear_recurrence"),
    },
    "training": {"learning_rate": (1e-3, 2e-3, 3e-3, 5e-3), "batch_size": (16, 32)},
}
"""What `--search` draws from, around the settings of `quick`."""


def measure(
    interactions: Interactions,
    settings: Mapping[str, Mapping[str, Any]],
    seed: int,
    *,
    is_test_read: bool = True,
    new_user_share: float = 0.0,
) -> Values:
    """Trains one model and ranks for every user.

    Args:
        interactions: The protocol's events.
        settings: Fields of `SequenceConfig` by `sequence`, of `TrainingConfig` by `training`.
        seed: Draws weights, order and dropout, the negatives, and who is new.
        is_test_read: Whether the test rows are measured; never while settings are chosen.
        new_user_share: Share of the users that training does not see.

    Returns:
        `validation_hr` and `validation_ndcg`, and of the test rows what `SHOWN` names;
        `new_hr` and `new_ndcg` of the drawn share of users, whether or not they were trained on.
    """
    config = RunConfig(
        data=DataConfig(dataset="ml-1m", split="last_out"),
        training=training_of(settings, seed),
        evaluation=EvaluationConfig(cutoffs=(CUTOFF,)),
    )
    data = SequenceData(prepare(config, interactions), SequenceConfig(**settings["sequence"]))
    is_new = np.random.default_rng(seed).random(len(interactions.users)) < 0.1
    model, values = trained(data, np.flatnonzero(~is_new) if new_user_share else None)
    values |= _means("validation_", sequence_ranking(model, data, "validation"))
    if is_test_read:
        ranking = sequence_ranking(model, data, "test")
        values |= _means("", ranking)
        values |= _means("new_", ranking, is_new[ranking.user_indexes])
        values |= _sampled(model, data, seed)
    return values


def training_of(settings: Mapping[str, Mapping[str, Any]], seed: int) -> TrainingConfig:
    """Makes the training's configuration of settings."""
    return TrainingConfig(**{"clip_norm": None, **settings["training"], "seed": seed})


def trained(
    data: SequenceData, users: IntArray | None = None
) -> tuple[SequenceRecommender, Values]:
    """Trains a model on the training rows.

    Args:
        data: The data; its training configuration gives the seed.
        users: Positions of the users that are trained on; None takes all.

    Returns:
        The model, and `seconds` of training and `parameters`.
    """
    keras.backend.clear_session()
    training = data.data.config.training
    keras.utils.set_random_seed(training.seed)
    model = SequenceRecommender(data.num_indices, data.config)
    dataset = data.train_dataset(model.mask_index, users)
    started = time.perf_counter()
    fit(model, dataset, None, training, verbose=0)
    values = {"seconds": time.perf_counter() - started}
    values["parameters"] = float(sum(np.prod(each.shape) for each in model.trainable_weights))
    return model, values


def _means(prefix: str, ranking: RankingValues, is_user: Array | None = None) -> Values:
    means = ranking.means(is_user)
    names = {"hr": "hit_rate", "ndcg": "ndcg"}
    return {f"{prefix}{short}": means[f"{name}_at_{CUTOFF}"] for short, name in names.items()}


def _sampled(model: SequenceRecommender, data: SequenceData, seed: int) -> Values:
    problem = ranking_problem(data.data, "test")
    # One positive each, but for users without a held-out row.
    asked = np.flatnonzero(np.diff(problem.relevant.indptr))
    positives = problem.relevant.indices[problem.relevant.indptr[asked]]
    negatives = draw_negatives(problem.seen + problem.relevant, NUM_NEGATIVES, seed, asked)
    means = sampled_ranking_metrics(
        sequence_scores(model, data, "test"),
        np.column_stack([positives, negatives]),
        asked,
        [CUTOFF],
    )
    names = {"sampled_hr": "hit_rate", "sampled_ndcg": "ndcg"}
    return {short: means[f"{name}_at_{CUTOFF}"] for short, name in names.items()}


def popularity_rows(data: PreparedData) -> list[Row]:
    """Ranks by popularity on the same test rows."""
    problem = ranking_problem(data, "test")
    baseline = Popularity().fit(problem.known_positives)
    ranking = ranking_values(baseline.scores, None, problem.seen, problem.relevant, [CUTOFF])
    return [Row(f"{SHOWN[n]}, popularity", v, "") for n, v in _means("", ranking).items()]


def make_rows(runs: Mapping[str, Sequence[Values]]) -> list[Row]:
    """Makes the table of the runs that were measured.

    Args:
        runs: The values of each seed by name of the run.

    Returns:
        The rows.
    """
    rows = []
    for run, values in runs.items():
        if run == NEW_USERS:
            rows += _new_user_rows(values, runs.get("quick", ()))
            continue
        for name, shown in SHOWN.items():
            bound, source = PUBLISHED[run].get(name, (None, None))
            rule = None if bound is None else "at_least"
            rows.append(
                mean_row(
                    f"{shown}, {run}",
                    [each[name] for each in values],
                    "",
                    reference=bound,
                    reference_name=source,
                    rule=rule,
                    bound=bound,
                )
            )
        minutes = [each["seconds"] / 60 for each in values]
        limit = {"rule": "at_most", "bound": float(MAX_MINUTES)} if run == "quick" else {}
        rows.append(mean_row(f"training, {run}", minutes, "min", **limit))
        rows.append(mean_row(f"parameters, {run}", [each["parameters"] for each in values], ""))
    return rows


def _new_user_rows(new: Sequence[Values], known: Sequence[Values]) -> Iterator[Row]:
    for name in ("hr", "ndcg"):
        shown = f"{SHOWN[name]}, one user in ten"
        yield mean_row(f"{shown}, new to the model", [each[f"new_{name}"] for each in new], "")
        if known:
            yield mean_row(f"{shown}, known", [each[f"new_{name}"] for each in known], "")


def search(interactions: Interactions, arguments: argparse.Namespace) -> None:
    """Tries settings on the validation rows of the first seed, and prints the best ones."""
    log, seed, tried = TrialLog(arguments.log), arguments.seeds[0], []
    random = np.random.default_rng(0)
    for _ in range(arguments.search):
        settings = {part: dict(SETTINGS["quick"][part]) for part in GRID}
        for part, grid in GRID.items():
            settings[part] |= {
                name: each[random.integers(len(each))] for name, each in grid.items()
            }
        values = log.measure(
            {"settings": settings, "seed": seed, "is_search": True},
            lambda s=settings: measure(interactions, s, seed, is_test_read=False),
        )
        tried.append((values["validation_ndcg"], settings))
    for value, settings in sorted(tried, key=lambda each: -each[0]):
        print(f"{value:.4f} {settings}")


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", help="folder with the files of MovieLens 1M")
    names = [*SETTINGS, NEW_USERS]
    parser.add_argument("--runs", nargs="+", choices=names, default=["quick", NEW_USERS])
    add_options(parser, __file__)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    interactions = load_sequences_protocol(arguments.data_dir)
    if arguments.search:
        return search(interactions, arguments)
    log = TrialLog(arguments.log)
    runs: dict[str, list[Values]] = {name: [] for name in arguments.runs}
    for seed, name in itertools.product(arguments.seeds, arguments.runs):
        settings = SETTINGS["quick" if name == NEW_USERS else name]
        share = 0.1 if name == NEW_USERS else 0.0
        values = log.measure(
            {"run": name, "settings": settings, "seed": seed},
            lambda c=settings, s=seed, n=share: measure(interactions, c, s, new_user_share=n),
        )
        runs[name].append(values)
    config = RunConfig(data=DataConfig(dataset="ml-1m", split="last_out"))
    rows = [*make_rows(runs), *popularity_rows(prepare(config, interactions))]
    description = (
        "MovieLens 1M, films of five events and more, each user's last film held out; all films "
        "ranked but the seen, or 100 uniform negatives"
    )
    sys.exit(not report(__file__, rows, description, arguments.seeds, arguments.results))


if __name__ == "__main__":
    main()
