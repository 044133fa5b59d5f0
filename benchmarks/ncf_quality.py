"""NCF's protocol on MovieLens 1M: each user's last film among 99 that he has not met.

    python benchmarks/ncf_quality.py --data-dir FOLDER

`FOLDER` holds the folders `ml-1m` and `ncf-ml1m`. Split and negatives are the published files; the
order of a user's films is MovieLens' own. The sequential recommender has the settings of
`sequence_quality.py`; of each user the last training film is held out from it, as there. EASE
stands beside it on the same candidates, with the regularisation that `baseline_search.py` chose.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from ncf_files import NcfSplit, read_ncf
from reporting import Row, report
from sequence_quality import CUTOFF, SETTINGS, trained, training_of
from trials import TrialLog, Values, add_options, mean_row

from recsys_tf import DataConfig, RunConfig, SequenceConfig
from recsys_tf.baselines import EASE, Popularity
from recsys_tf.datasets import Interactions, Split, load_dataset
from recsys_tf.evaluation import ranking_problem, sequence_scores
from recsys_tf.metrics import sampled_ranking_metrics
from recsys_tf.metrics.ranking_evaluation import ScoresFn
from recsys_tf.preparation import PreparedData, SequenceData
from recsys_tf.types import IntArray

EASE_L2 = 1000.0
NAMES = {"hr": ("HR@10", "hit_rate"), "ndcg": ("NDCG@10", "ndcg")}
NEURAL_MF = {"hr": 0.730, "ndcg": 0.447}
PUBLISHED = {
    "ease": {"hr": 0.7182, "ndcg": 0.4511},
    "popularity": {"hr": 0.4538, "ndcg": 0.2543},
}


def ncf_split(interactions: Interactions) -> Split:
    """Cuts the events: NCF's test rows, and of the rest each user's last row for validation."""
    events = interactions.events
    is_test = events["is_ncf_test"].to_numpy(dtype=bool)
    rest = np.flatnonzero(~is_test)
    users, times = (events[name].to_numpy()[rest] for name in ("user_id", "timestamp"))
    codes = np.unique(users, return_inverse=True)[1]
    order = np.lexsort((np.arange(len(rest)), times, codes))
    last = rest[order[np.flatnonzero(np.diff(codes[order], append=-1))]]
    return Split(np.setdiff1d(rest, last), np.sort(last), np.flatnonzero(is_test), "ncf")


def candidate_rows(split: NcfSplit, interactions: Interactions) -> IntArray:
    """Returns each user's candidates as positions in `items`, int64 `[U, 100]`, by `users`."""
    places = {name: place for place, name in enumerate(interactions.items["item_id"])}
    of_items = np.array([places[str(film)] for film in split.item_ids])
    users = interactions.users["user_id"].astype(np.int64).to_numpy() - 1
    return of_items[split.candidates[users]]


def prepared(interactions: Interactions, seed: int) -> SequenceData:
    """Prepares the split for the sequential recommender."""
    settings = SETTINGS["quick"]
    config = RunConfig(data=DataConfig(dataset="ml-1m"), training=training_of(settings, seed))
    data = PreparedData(config, interactions, interactions.schema, ncf_split(interactions))
    return SequenceData(data, SequenceConfig(**settings["sequence"]))


def measure(interactions: Interactions, candidates: IntArray, seed: int) -> Values:
    """Trains one model and ranks each user's candidates; `hr` and `ndcg`."""
    data = prepared(interactions, seed)
    model, values = trained(data)
    return values | _means(sequence_scores(model, data, "test"), candidates)


def _means(scores_fn: ScoresFn, candidates: IntArray) -> Values:
    means = sampled_ranking_metrics(scores_fn, candidates, cutoffs=[CUTOFF])
    return {short: means[f"{name}_at_{CUTOFF}"] for short, (_, name) in NAMES.items()}


def make_rows(runs: list[Values], baselines: dict[str, Values]) -> list[Row]:
    """Makes the table: the recommender held to NeuMF, the baselines beside."""
    rows = [
        mean_row(
            f"{shown}, sequential recommender",
            [each[name] for each in runs],
            "",
            reference=NEURAL_MF[name],
            reference_name="NeuMF, pretrained, He et al. 2017",
            rule="at_least",
            bound=NEURAL_MF[name],
        )
        for name, (shown, _) in NAMES.items()
    ]
    rows.append(mean_row("training", [each["seconds"] / 60 for each in runs], "min"))
    for baseline, values in baselines.items():
        for name, (shown, _) in NAMES.items():
            reference = PUBLISHED[baseline][name]
            source = f"{baseline}, measured on these files before"
            rows.append(Row(f"{shown}, {baseline}", values[name], "", None, reference, source))
    return rows


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="holds both folders")
    add_options(parser, __file__, has_search=False)
    arguments = parser.parse_args()
    interactions = load_dataset("ml-1m", arguments.data_dir / "ml-1m")
    candidates = candidate_rows(read_ncf(arguments.data_dir / "ncf-ml1m"), interactions)
    log = TrialLog(arguments.log)
    runs = [
        log.measure(
            {"settings": SETTINGS["quick"], "seed": seed},
            lambda s=seed: measure(interactions, candidates, s),
        )
        for seed in arguments.seeds
    ]
    seen = ranking_problem(prepared(interactions, 0).data, "test").seen
    fitted = {"popularity": Popularity().fit(seen), "ease": EASE(EASE_L2).fit(seen)}
    baselines = {name: _means(each.scores, candidates) for name, each in fitted.items()}
    description = "MovieLens 1M, NCF's split: each user's last film among 99 negatives"
    rows = make_rows(runs, baselines)
    sys.exit(not report(__file__, rows, description, arguments.seeds, arguments.results))


if __name__ == "__main__":
    main()
