"""What the baselines are searched and measured on: four protocols on MovieLens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from movielens_1m_sequences import load_sequences_protocol
from ncf_files import NUM_NEGATIVES, NUM_USERS, last_of_users, read_ncf, times_of
from scipy import sparse
from trials import Values

from recsys_tf.baselines import Baseline, RatingBaseline
from recsys_tf.config import DataConfig
from recsys_tf.datasets import Interactions, interaction_matrix, load_dataset, make_split
from recsys_tf.metrics import draw_negatives, ranking_metrics, rmse, sampled_ranking_metrics
from recsys_tf.types import IntArray

PARTS = ("validation", "test")
CANDIDATES_SEED, NUM_SAMPLED = 0, 100
RMSE = "rating_rmse"


@dataclass(frozen=True, eq=False)
class Ranking:
    """One part of a protocol: what a baseline may know, and how its lists are measured.

    Attributes:
        known: `[U, N]`, the events to fit on; of the test part the validation rows as well.
        measure: Scores function -> metrics by name.
        times: When each known pair was seen, `[U, N]` in seconds; None where the times of two users
            cannot be compared.
        ratings: The known ratings `[U, N]`, and users, items and ratings of the part's rows; None
            where ratings are not known.
    """

    known: sparse.csr_matrix
    measure: Callable[[Callable], Values]
    times: sparse.csr_matrix | None = None
    ratings: tuple[sparse.csr_matrix, IntArray, IntArray, np.ndarray] | None = None

    def values_of(self, baseline: Baseline) -> Values:
        """Fits a baseline on what is known and measures it."""
        if not isinstance(baseline, RatingBaseline):
            return self.measure(baseline.fit(self.known, self.times).scores)
        if self.ratings is None:
            raise ValueError("`ratings` must be known for a baseline of ratings, received None.")
        known, users, items, ratings = self.ratings
        return {RMSE: rmse(ratings, baseline.fit(known, self.times).predict(users, items))}


@dataclass(frozen=True, eq=False)
class Problem:
    """A protocol.

    Attributes:
        description: The data and the protocol, in words.
        criterion: The metric of rankings that settings are chosen by, on the validation part.
        metrics: The metrics of rankings that are reported, of the test part.
        parts: By name, `validation` and `test`.
        published: Figures to stand beside ours, by metric and baseline, with their origin.
    """

    description: str
    criterion: str
    metrics: Sequence[str]
    parts: Mapping[str, Ranking]
    published: Mapping[tuple[str, str], tuple[float, str]]


def movielens_100k(method: str, folder: Path | None) -> Problem:
    """MovieLens 100K, 80/20 at random or at one moment; a tenth of the 80 is for validation."""
    data = load_dataset("ml-100k", folder)
    split = make_split(data, DataConfig(dataset="ml-100k", split=method))
    users, items, shape = _codes(data)
    ratings = data.events["rating"].to_numpy(np.float64)
    seconds = data.events[data.schema.timestamp].to_numpy(np.float64)

    def part(known: IntArray, asked: IntArray) -> Ranking:
        seen = interaction_matrix(users[known], items[known], *shape)
        relevant = interaction_matrix(users[asked], items[asked], *shape)
        rated = interaction_matrix(users[known], items[known], *shape, ratings[known])
        times = interaction_matrix(users[known], items[known], *shape, seconds[known])
        return Ranking(
            seen,
            lambda scores: ranking_metrics(scores, None, seen, relevant, (1, 5, 10, 50, 100)),
            times,
            (rated, users[asked], items[asked], ratings[asked]),
        )

    known = np.concatenate([split.train, split.validation])
    of_random = {
        ("hit_at_10", "ease"): (0.173, "EASE, lambda 500"),
        ("hit_at_100", "ease"): (0.624, "EASE, lambda 500"),
        ("ndcg_at_10", "ease"): (0.4406, "EASE, lambda 500"),
        ("hit_at_100", "popularity"): (0.412, "popularity, measured before"),
    }
    of_time = {
        (f"hit_at_{k}", "popularity"): (value, "popularity, measured before")
        for k, value in ((10, 0.049), (50, 0.171), (100, 0.294))
    }
    words = {"random": "random 80/20", "time": "80/20 cut at one moment, most users after it new"}
    return Problem(
        f"MovieLens 100K, {words[method]}; all films ranked, seen films left out",
        {"random": "ndcg_at_10", "time": "hit_at_50"}[method],
        ("hit_at_10", "hit_at_50", "hit_at_100", "ndcg_at_10"),
        {"validation": part(split.train, split.validation), "test": part(known, split.test)},
        {"random": of_random, "time": of_time}[method],
    )


def movielens_1m_last_out(folder: Path | None) -> Problem:
    """MovieLens 1M, the last film of each user out: the protocol of the papers on sequences."""
    data = load_sequences_protocol(folder)
    split = make_split(data, DataConfig(dataset="ml-1m", split="last_out"))
    users, items, shape = _codes(data)
    met = interaction_matrix(users, items, *shape)

    def part(known: IntArray, asked: IntArray, is_sampled: bool) -> Ranking:
        seen = interaction_matrix(users[known], items[known], *shape)
        relevant = interaction_matrix(users[asked], items[asked], *shape)
        positives = np.zeros(shape[0], np.int64)
        positives[users[asked]] = items[asked]

        def measure(scores: Callable) -> Values:
            values = ranking_metrics(scores, None, seen, relevant, (10,))
            if is_sampled:
                negatives = draw_negatives(met, NUM_SAMPLED, CANDIDATES_SEED)
                candidates = np.column_stack([positives, negatives])
                sampled = sampled_ranking_metrics(scores, candidates)
                values |= {f"sampled_{name}": value for name, value in sampled.items()}
            return values

        return Ranking(seen, measure)

    known = np.concatenate([split.train, split.validation])
    return Problem(
        "MovieLens 1M less films of under 5 events, last film of each user out; all films ranked, "
        "seen films left out, and `sampled`: among 100 films that the user never met",
        "ndcg_at_10",
        ("hit_rate_at_10", "ndcg_at_10", "sampled_hit_rate_at_10", "sampled_ndcg_at_10"),
        {
            "validation": part(split.train, split.validation, is_sampled=False),
            "test": part(known, split.test, is_sampled=True),
        },
        {
            ("hit_rate_at_10", "popularity"): (0.0369, "popularity of the training rows alone"),
            ("ndcg_at_10", "popularity"): (0.0180, "popularity of the training rows alone"),
        },
    )


def ncf(folder: Path | None) -> Problem:
    """NCF's split: the test film among 99 others; of validation the latest training film is out."""
    if folder is None:
        raise ValueError("`folder` must hold `ncf-ml1m` and `ml-1m`, received None.")
    split = read_ncf(folder / "ncf-ml1m")
    shape = NUM_USERS, len(split.item_ids)
    times = times_of(split.train, split.item_ids, load_dataset("ml-1m", folder).events)
    last = last_of_users(split.train[:, 0], times)
    all_known = interaction_matrix(*split.train.T, *shape)
    first_known = interaction_matrix(*np.delete(split.train, last, axis=0).T, *shape)
    negatives = draw_negatives(all_known, NUM_NEGATIVES, CANDIDATES_SEED)
    asked = np.column_stack([split.train[last, 1], negatives])
    published = {
        "popularity": (0.4538, 0.2543, "popularity, measured before"),
        "ease": (0.7182, 0.4511, "EASE, lambda 1,000"),
    }
    return Problem(
        "NCF's split of MovieLens 1M: one film of each user among 99 that it has not met",
        "ndcg_at_10",
        ("hit_rate_at_10", "ndcg_at_10"),
        {
            "validation": Ranking(first_known, lambda fn: sampled_ranking_metrics(fn, asked)),
            "test": Ranking(all_known, lambda fn: sampled_ranking_metrics(fn, split.candidates)),
        },
        {
            (metric, name): (values[place], str(values[2]))
            for name, values in published.items()
            for place, metric in enumerate(("hit_rate_at_10", "ndcg_at_10"))
        },
    )


def _codes(data: Interactions) -> tuple[IntArray, IntArray, tuple[int, int]]:
    """Users and items of the events as rows of their frames, and the numbers of both."""
    schema = data.schema
    users = pd.Index(data.users[schema.user_id]).get_indexer(data.events[schema.user_id])
    items = pd.Index(data.items[schema.item_id]).get_indexer(data.events[schema.item_id])
    return users, items, (len(data.users), len(data.items))


PROBLEMS: dict[str, Callable[[Path | None], Problem]] = {
    "ml-100k-random": lambda folder: movielens_100k("random", folder),
    "ml-100k-time": lambda folder: movielens_100k("time", folder),
    "ml-1m-last-out": movielens_1m_last_out,
    "ncf": ncf,
}
"""Protocols by name: folder with the data sets' own folders (None downloads) -> the problem."""
