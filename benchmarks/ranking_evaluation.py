"""Times the full-ranking evaluation at the size of ML-1M: every metric, seen items left out."""

from __future__ import annotations

import argparse
import os
import sys
import time
import tracemalloc
from collections.abc import Callable

# Two cores are what the claim names; must stand before NumPy loads its BLAS.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import numpy as np
from reporting import Row, add_results_option, report
from scipy import sparse

from recsys_tf.metrics import ranking_metrics

NUM_USERS, NUM_ITEMS, NUM_EVENTS = 6_040, 3_706, 1_000_209
CUTOFFS = (10, 50, 100)
MAX_SECONDS = 3.0


def generate(seed: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Draws events of ML-1M's shape: popular items often; four fifths seen, one fifth relevant."""
    rng = np.random.default_rng(seed)
    popularity = 1 / np.arange(20, NUM_ITEMS + 20)
    users = rng.integers(NUM_USERS, size=NUM_EVENTS)
    items = rng.choice(NUM_ITEMS, size=NUM_EVENTS, p=popularity / popularity.sum())
    pairs = np.unique(users * NUM_ITEMS + items)
    is_test = rng.random(len(pairs)) < 0.2

    def matrix(chosen: np.ndarray) -> sparse.csr_matrix:
        cells = np.divmod(chosen, NUM_ITEMS)
        return sparse.csr_matrix((np.ones(len(chosen)), cells), shape=(NUM_USERS, NUM_ITEMS))

    return matrix(pairs[~is_test]), matrix(pairs[is_test])


def full_sort_metrics(
    scores_fn: Callable, seen: sparse.csr_matrix, relevant: sparse.csr_matrix
) -> dict[str, float]:
    """Two of the metrics by a stable sort of every list: the plain way, as a peer."""
    scores = scores_fn(np.arange(NUM_USERS)).copy()
    scores[seen.nonzero()] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(NUM_ITEMS)[None, :], axis=1)
    users, items = relevant.nonzero()
    found = ranks[users, items]
    gain = np.bincount(users, np.where(found < 10, 1 / np.log2(found + 2.0), 0), NUM_USERS)
    counts = np.bincount(users, minlength=NUM_USERS)
    best = np.cumsum(1 / np.log2(np.arange(10) + 2.0))[np.clip(counts, 1, 10) - 1]
    return {
        "hit_at_100": float((found < 100).mean()),
        "ndcg_at_10": float((gain / best)[counts > 0].mean()),
    }


def timed(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and half the range of the wall-clock seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), (max(seconds) - min(seconds)) / 2


def peak_mib(call: Callable[[], object]) -> float:
    """Largest memory that the call allocated at a time, in MiB."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each (default 5)")
    parser.add_argument("--seed", type=int, default=42)
    add_results_option(parser)
    arguments = parser.parse_args()
    seen, relevant = generate(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    user_vectors = rng.normal(size=(NUM_USERS, 64)).astype(np.float32)
    item_vectors = rng.normal(size=(NUM_ITEMS, 64)).astype(np.float32)
    popularity = np.asarray((seen > 0).sum(axis=0), dtype=np.float64).reshape(-1)
    scorers = {
        "dot products of width 64": lambda users: user_vectors[users] @ item_vectors.T,
        "popularity (many ties)": lambda users: np.broadcast_to(
            popularity, (len(users), NUM_ITEMS)
        ),
    }
    rows = []
    for name, scores_fn in scorers.items():
        ours, peer = (
            lambda scores_fn=scores_fn: ranking_metrics(scores_fn, None, seen, relevant, CUTOFFS),
            lambda scores_fn=scores_fn: full_sort_metrics(scores_fn, seen, relevant),
        )
        found, expected = ours(), peer()
        for metric, value in expected.items():
            np.testing.assert_allclose(found[metric], value, rtol=0, atol=1e-12)
        seconds, spread = timed(ours, arguments.repeats)
        peer_seconds, peer_spread = timed(peer, arguments.repeats)
        rows += [
            Row(
                f"all metrics at 10, 50, 100: {name}",
                seconds,
                "s",
                spread,
                peer_seconds,
                "full sort, NDCG and hit only",
                "at_most",
                MAX_SECONDS,
            ),
            Row(f"full sort, NDCG and hit only: {name}", peer_seconds, "s", peer_spread),
            Row(f"memory at the peak: {name}", peak_mib(ours), "MiB"),
            Row(f"memory at the peak, full sort: {name}", peak_mib(peer), "MiB"),
        ]
    data = (
        f"generated, of ML-1M's size: {NUM_USERS:,} users, {NUM_ITEMS:,} items, {seen.nnz:,} seen "
        f"pairs left out, {relevant.nnz:,} relevant pairs; scoring included"
    )
    sys.exit(not report(__file__, rows, data, [arguments.seed], arguments.results))


if __name__ == "__main__":
    main()
