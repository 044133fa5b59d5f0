"""Equal to recbole and rectools on the same lists (reference/record_peer_rankings.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from recsys_tf.metrics import RANKING_METRICS, coverage

RECORD = json.loads(
    (Path(__file__).parent.parent / "reference/peer_rankings.json").read_text(encoding="utf-8")
)
LISTS = np.array(RECORD["lists"])
NUM_RELEVANT = np.array([len(each) for each in RECORD["relevant"]])
HITS = np.array(
    [
        [item in relevant for item in row]
        for row, relevant in zip(RECORD["lists"], RECORD["relevant"], strict=True)
    ]
)


def ours(name, k):
    if name == "coverage":
        return coverage(LISTS[:, :k], RECORD["num_items"])
    if name == "map_divided_by_all_relevant":  # rectools divides by R, we by min(R, K)
        by_user = RANKING_METRICS["map"](HITS, NUM_RELEVANT, k)
        return (by_user * np.minimum(NUM_RELEVANT, k) / NUM_RELEVANT).mean()
    return RANKING_METRICS[name](HITS, NUM_RELEVANT, k).mean()


@pytest.mark.parametrize("peer", ["recbole", "rectools"])
def test_each_metric_equals_the_peers(peer):
    assert len(RECORD[peer]) == 7 * len(RECORD["cutoffs"])
    for name, value in RECORD[peer].items():
        metric, k = name.rsplit("_at_", 1)
        assert ours(metric, int(k)) == pytest.approx(value, abs=1e-12), name
