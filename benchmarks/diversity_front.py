"""What diversity costs on MovieLens 100K: NDCG@10 against intra-list diversity, by each re-ranker.

    python benchmarks/diversity_front.py --data-dir FOLDER

The papers' random 80/20 split. One joint model a seed is trained on the training rows alone, so
that the trade-offs can be chosen on the validation rows; the seed draws weights, order and dropout.
Its 100 best unseen films of each user are re-ranked, once by the films' genres and once by the
model's own vectors without the films' biases, and answered in the order of relevance, as a model
does that was exported with `list_order: relevance`. Diversity is the mean cosine distance of the
genres of two films of a list.

Of each re-ranker that trade-off is chosen which has the highest diversity on the validation rows
where NDCG@10 loses at most 1 % there, in the mean over the seeds; the test rows then tell loss and
gain. Models are kept under `--models` and a second call takes them up, in the middle of training
too; what was measured is in the log.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from reporting import Row, report
from trials import TrialLog, Values, add_options, mean_row

from recsys_tf import RunConfig, presets
from recsys_tf.datasets import cache_folder
from recsys_tf.evaluation import candidate_embeddings, query_embeddings, ranking_problem
from recsys_tf.metrics import intra_list_diversity, ndcg
from recsys_tf.models import Recommender
from recsys_tf.preparation import Part, PreparedData, prepare
from recsys_tf.reranking import RERANKERS
from recsys_tf.training import build_recommender, fit
from recsys_tf.types import FloatArray, IntArray

K, NUM_CANDIDATES, USERS_AT_ONCE = 10, 100, 128
MAX_LOSS, MIN_GAIN = 0.01, 0.15
TRADE_OFFS = (
    *(0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.25, 0.3, 0.35, 0.4),
    *(0.5, 0.7),
)
VECTORS = ("genres", "embeddings")
PARTS: tuple[Part, ...] = ("validation", "test")
PLAIN = "plain"

Key = tuple[str, str, float]
"""Re-ranker, what it compares the films by, trade-off."""


@dataclass(frozen=True, eq=False)
class ScoredUsers:
    """The best unseen films of each user of a part.

    Attributes:
        candidates: int `[U, N]`, films, the best first.
        scores: float `[U, N]`, -inf for a film that the user has seen.
        is_relevant: bool `[U, N]`, whether the film is a held-out one.
        num_relevant: int `[U]`, held-out films of the user.
    """

    candidates: IntArray
    scores: FloatArray
    is_relevant: IntArray
    num_relevant: IntArray


def trained(
    config: RunConfig, seed: int, models: Path | None, verbose: int = 2
) -> tuple[Recommender, PreparedData]:
    """Trains a model on the training rows, or takes up what is kept of it.

    Args:
        config: The run.
        seed: Draws weights, order and dropout; the split has a seed of its own.
        models: Where states are kept, one folder a seed; None keeps none.
        verbose: As in `keras.Model.fit`.

    Returns:
        The model and its data.
    """
    training = config.training.model_copy(update={"seed": seed})
    data = prepare(config.model_copy(update={"training": training}))
    model = build_recommender(data)
    folder = None if models is None else models / f"seed_{seed}"
    fit(model, data.dataset("train"), None, training, checkpoint_folder=folder, verbose=verbose)
    return model, data


def score_users(model: Recommender, data: PreparedData, part: Part) -> ScoredUsers:
    """Takes the best unseen films of every user who has held-out rows."""
    problem = ranking_problem(data, part)
    users = np.flatnonzero(problem.first_rows >= 0)
    queries = query_embeddings(model, data, part, problem.first_rows[users])
    scores = queries @ candidate_embeddings(model, data).T
    scores[problem.seen[users].toarray() > 0] = -np.inf
    relevant = problem.relevant[users].toarray() > 0
    best = np.argsort(-scores, axis=1, kind="stable")[:, :NUM_CANDIDATES]
    return ScoredUsers(
        best,
        np.take_along_axis(scores, best, axis=1),
        np.take_along_axis(relevant, best, axis=1),
        relevant.sum(axis=1),
    )


def genre_vectors(data: PreparedData) -> FloatArray:
    """Returns 0 or 1 for each film and genre, float32 `[N, G]`."""
    genres = data.interactions.items["genres"]
    names = sorted({name for of_film in genres for name in of_film})
    rows = [[float(name in of_film) for name in names] for of_film in genres]
    return np.array(rows, np.float32)


def measure(model: Recommender, data: PreparedData, trade_offs: Sequence[float]) -> Values:
    """Measures both fronts on both parts.

    Args:
        model: A trained model.
        data: What it was trained on.
        trade_offs: From 0, relevance alone, to 1, diversity alone.

    Returns:
        `<part>/<re-ranker>/<vectors>/<trade-off>/ndcg` and `/ild`; `<part>/plain/ndcg` and `/ild`
        without a re-ranker.
    """
    genres = genre_vectors(data)
    # Without the films' biases, the last unit.
    by_name = {"genres": genres, "embeddings": candidate_embeddings(model, data)[:, :-1]}
    values: Values = {}
    for part in PARTS:
        users = score_users(model, data, part)
        plain = np.broadcast_to(np.arange(K), (len(users.scores), K))
        values |= _list_values(f"{part}/{PLAIN}", users, plain, genres)
        for reranker, name, trade_off in itertools.product(RERANKERS, VECTORS, trade_offs):
            places = reranked(users, by_name[name], reranker, trade_off)
            values |= _list_values(f"{part}/{reranker}/{name}/{trade_off}", users, places, genres)
    return values


def reranked(users: ScoredUsers, vectors: FloatArray, reranker: str, trade_off: float) -> IntArray:
    """Returns which candidates make each user's list, int `[U, K]`, -1 for none."""
    lists = []
    for start in range(0, len(users.scores), USERS_AT_ONCE):
        some = slice(start, start + USERS_AT_ONCE)
        of_users = vectors[users.candidates[some]]
        lists.append(_list_of(reranker, users.scores[some], of_users, trade_off))
    return np.concatenate(lists)


def _list_of(reranker: str, scores: FloatArray, vectors: FloatArray, trade_off: float) -> IntArray:
    return RERANKERS[reranker](scores, vectors, K, trade_off, is_sorted=True).numpy()


def _list_values(name: str, users: ScoredUsers, places: IntArray, genres: FloatArray) -> Values:
    is_filled = places >= 0
    hits = np.take_along_axis(users.is_relevant, np.maximum(places, 0), axis=1) & is_filled
    films = np.take_along_axis(users.candidates, np.maximum(places, 0), axis=1)
    diversity = intra_list_diversity(np.where(is_filled, films, -1), genres)
    return {
        f"{name}/ndcg": float(ndcg(hits, users.num_relevant, K).mean()),
        f"{name}/ild": float(np.nanmean(diversity)),
    }


def relative(runs: Sequence[Values], part: str, key: Key | None, metric: str) -> list[float]:
    """Returns the relative change against the plain lists, for each seed; 0 without a key."""
    name = PLAIN if key is None else "/".join(map(str, key))
    plain = [each[f"{part}/{PLAIN}/{metric}"] for each in runs]
    return [run[f"{part}/{name}/{metric}"] / p - 1 for run, p in zip(runs, plain, strict=True)]


def choose(runs: Sequence[Values], keys: Sequence[Key]) -> Key | None:
    """Chooses on the validation rows: the most diverse of what loses at most `MAX_LOSS`.

    Args:
        runs: The values of each seed.
        keys: What may be chosen.

    Returns:
        The choice; None where every trade-off loses more, so that the plain lists stay.
    """
    allowed = [
        key for key in keys if np.mean(relative(runs, "validation", key, "ndcg")) >= -MAX_LOSS
    ]
    gains = {key: np.mean(relative(runs, "validation", key, "ild")) for key in allowed}
    return max(allowed, key=lambda key: gains[key], default=None)


def make_rows(runs: Sequence[Values], trade_offs: Sequence[float]) -> list[Row]:
    """Makes the table: the plain lists, each front on the test rows, and what was chosen.

    Args:
        runs: The values of each seed.
        trade_offs: Those that were measured.

    Returns:
        The rows; only the choice among all re-rankers is held to the bounds.
    """
    names = {"ndcg": "NDCG@10", "ild": "ILD@10"}
    rows = [
        mean_row(f"{shown}, plain", [each[f"test/{PLAIN}/{metric}"] for each in runs], shown)
        for metric, shown in names.items()
    ]
    fronts = list(itertools.product(RERANKERS, VECTORS))
    for reranker, vectors in fronts:
        for trade_off, (metric, shown) in itertools.product(trade_offs, names.items()):
            found = [each[f"test/{reranker}/{vectors}/{trade_off}/{metric}"] for each in runs]
            rows.append(mean_row(f"{shown}, {reranker} by {vectors}, {trade_off}", found, shown))
    for front in fronts:
        key = choose(runs, [(*front, each) for each in trade_offs])
        rows += _chosen_rows(runs, key, " by ".join(front), is_claim=False)
    key = choose(runs, [(*front, each) for front in fronts for each in trade_offs])
    return rows + _chosen_rows(runs, key, "best on validation", is_claim=True)


def _chosen_rows(runs: Sequence[Values], key: Key | None, name: str, is_claim: bool) -> list[Row]:
    shown = "no re-ranking" if key is None else f"{key[0]} by {key[1]} at {key[2]}"
    losses = [-each for each in relative(runs, "test", key, "ndcg")]
    gains = relative(runs, "test", key, "ild")
    bounds: list[Mapping[str, object]] = [{}, {}]
    if is_claim:
        bounds = [
            {"rule": "at_most", "bound": MAX_LOSS},
            {"rule": "at_least", "bound": MIN_GAIN},
        ]
    return [
        mean_row(f"{name} ({shown}): relative loss of NDCG@10", losses, "", **bounds[0]),
        mean_row(f"{name} ({shown}): relative gain of ILD@10", gains, "", **bounds[1]),
    ]


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    models = cache_folder() / "benchmarks" / "diversity_front"
    parser.add_argument("--data-dir", help="folder with the files of MovieLens 100K")
    parser.add_argument("--models", type=Path, default=models, help="where models are kept")
    parser.add_argument("--epochs", type=int, help="of training; the preset's where left out")
    add_options(parser, __file__, has_search=False)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    config = presets.movielens_random()
    data = config.data.model_copy(update={"folder": arguments.data_dir})
    epochs = arguments.epochs or config.training.epochs
    training = config.training.model_copy(update={"epochs": epochs})
    config = config.model_copy(update={"data": data, "training": training})
    log = TrialLog(arguments.log)
    models = arguments.models / f"epochs_{epochs}"
    # Trials of before were of vectors with the films' biases.
    key = {"trade_offs": TRADE_OFFS, "list_order": "relevance", "has_item_biases": False}
    runs = [
        log.measure(
            {"seed": seed, "epochs": epochs, **key},
            lambda s=seed: measure(*trained(config, s, models), TRADE_OFFS),
        )
        for seed in arguments.seeds
    ]
    description = (
        "MovieLens 100K, random 80/20, a tenth of the training rows for choosing; the best "
        f"{NUM_CANDIDATES} unseen films re-ranked, diversity by genres"
    )
    rows = make_rows(runs, TRADE_OFFS)
    sys.exit(not report(__file__, rows, description, arguments.seeds, arguments.results))


if __name__ == "__main__":
    main()
