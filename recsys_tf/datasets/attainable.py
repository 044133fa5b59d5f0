"""The scores that the planted model itself reaches: no trained model does better for long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_tf.datasets.planted import PlantedTruth
from recsys_tf.metrics import auc, log_loss, ranking_metrics, rmse
from recsys_tf.types import IntArray


def attainable(
    truth: PlantedTruth,
    events: pd.DataFrame,
    rows: IntArray,
    seen_rows: IntArray | None = None,
    since: int | None = None,
    cutoffs: Sequence[int] = (10, 50, 100),
) -> dict[str, float]:
    """Returns the planted model's own metrics on chosen rows.

    Its forecasts are the true probabilities and the true mean rating; its order of the catalogue
    is that of `PlantedTruth.ranking_scores`. A trained model is to be held to a share of these.

    Args:
        truth: What the data were drawn from.
        events: Its events.
        rows: Positions of the rows that are measured, usually the test part.
        seen_rows: Positions of the rows whose items are left out of each user's list, usually the
            training part; None leaves nothing out.
        since: First second of the test time for a split by time; None for the other splits.
        cutoffs: The `K`s of the ranking metrics.

    Returns:
        By `task/metric`: `click`, `like` and `purchase` with `auc` and `log_loss`, `rating/rmse`
        over the rows with a rating, and `watch` with the metrics of `metrics.ranking_metrics`,
        whose relevant items are those that were clicked.
    """
    part = events.iloc[rows]
    values = {}
    for task, probabilities in truth.probabilities(part).items():
        labels = part[task].to_numpy()
        values[f"{task}/auc"] = auc(labels, probabilities)
        values[f"{task}/log_loss"] = log_loss(labels, probabilities)
    rated = part[part["rating"].notna()]
    values["rating/rmse"] = rmse(rated["rating"].to_numpy(), truth.expected_rating(rated))
    relevant = _matrix(truth, part[part["click"] == 1])
    seen = None if seen_rows is None else _matrix(truth, events.iloc[seen_rows])
    ranked = ranking_metrics(
        lambda users: truth.ranking_scores([truth.users[user] for user in users], since),
        None, seen, relevant, cutoffs,
    )  # fmt: skip
    return values | {f"watch/{name}": value for name, value in ranked.items()}


def _matrix(truth: PlantedTruth, events: pd.DataFrame) -> sparse.csr_matrix:
    users = pd.Index(truth.users).get_indexer(pd.Index(events["user_id"]))
    items = pd.Index(truth.items).get_indexer(pd.Index(events["item_id"]))
    shape = (len(truth.users), len(truth.items))
    return sparse.csr_matrix((np.ones(len(users)), (users, items)), shape=shape)
