"""Records what recbole and rectools say about random lists, for the tests to compare with.

Run in an environment of its own (these libraries want other versions than the project does):

    uv venv -p 3.11 peers
    uv pip install -p peers/bin/python torch==2.13.0 recbole==1.2.1 rectools==0.19.0 \
        "setuptools<80" "numpy<2"
    peers/bin/python tests/reference/record_peer_rankings.py

It writes peer_rankings.json beside itself.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from recbole.evaluator import metrics as recbole
from recbole.evaluator.collector import DataStruct
from rectools import metrics as rectools

# recbole 1.2.1 uses a name that NumPy 1.24 took away; `np.float64` is what it meant.
np.float = np.float64
NUM_USERS, NUM_ITEMS, CUTOFFS = 40, 50, (1, 5, 10, 20)


def draw() -> tuple[list[list[int]], list[list[int]]]:
    """Lists of 20 items, and 1 to 30 relevant items a user; some lists hold none of them."""
    rng = np.random.default_rng(2024)
    lists = np.argsort(rng.random((NUM_USERS, NUM_ITEMS)), axis=1)[:, : max(CUTOFFS)]
    relevant = [
        sorted(rng.choice(NUM_ITEMS, size=rng.integers(1, 31), replace=False).tolist())
        for _ in range(NUM_USERS)
    ]
    return lists.tolist(), relevant


def of_recbole(lists: list[list[int]], relevant: list[list[int]]) -> dict[str, float]:
    """Means by our names; its `ItemCoverage` too."""
    hits = [[item in r for item in row] for row, r in zip(lists, relevant, strict=True)]
    lengths = [[len(r)] for r in relevant]
    data = DataStruct()
    data.set("rec.topk", torch.cat([torch.tensor(hits).int(), torch.tensor(lengths)], dim=1))
    data.set("rec.items", torch.tensor(lists))
    data.set("data.num_items", NUM_ITEMS)  # in its own runs the padding item counts too
    config = {"topk": list(CUTOFFS), "metric_decimal_place": 16}
    names = {
        "hit_rate": recbole.Hit,
        "recall": recbole.Recall,
        "precision": recbole.Precision,
        "ndcg": recbole.NDCG,
        "mrr": recbole.MRR,
        "map": recbole.MAP,
        "coverage": recbole.ItemCoverage,
    }
    values = {}
    for name, metric in names.items():
        for key, value in metric(config).calculate_metric(data).items():
            values[f"{name}_at_{key.split('@')[1]}"] = float(value)
    return values


def of_rectools(lists: list[list[int]], relevant: list[list[int]]) -> dict[str, float]:
    """Means by our names; NDCG with the best list of each user, MAP divided by `R`."""
    recommended = pd.DataFrame(
        [(u, item, rank) for u, row in enumerate(lists) for rank, item in enumerate(row, 1)],
        columns=["user_id", "item_id", "rank"],
    )
    interactions = pd.DataFrame(
        [(u, item) for u, row in enumerate(relevant) for item in row],
        columns=["user_id", "item_id"],
    )
    catalog = list(range(NUM_ITEMS))
    metrics = {}
    for k in CUTOFFS:
        metrics |= {
            f"hit_rate_at_{k}": rectools.HitRate(k),
            f"recall_at_{k}": rectools.Recall(k),
            f"precision_at_{k}": rectools.Precision(k),
            f"ndcg_at_{k}": rectools.NDCG(k, divide_by_achievable=True),
            f"mrr_at_{k}": rectools.MRR(k),
            f"map_divided_by_all_relevant_at_{k}": rectools.MAP(k),
            f"coverage_at_{k}": rectools.CatalogCoverage(k, normalize=True),
        }
    found = rectools.calc_metrics(metrics, recommended, interactions, catalog=catalog)
    return {name: float(value) for name, value in found.items()}


def main() -> None:
    """Writes the inputs and both libraries' answers."""
    lists, relevant = draw()
    content = {
        "versions": {each: importlib.metadata.version(each) for each in ("recbole", "rectools")},
        "num_items": NUM_ITEMS,
        "cutoffs": CUTOFFS,
        "lists": lists,
        "relevant": relevant,
        "recbole": of_recbole(lists, relevant),
        "rectools": of_rectools(lists, relevant),
    }
    path = Path(__file__).with_name("peer_rankings.json")
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
