"""Ranking metrics of one user, from the definitions, in plain Python: no shared code, no NumPy."""

import math


def ranked(scores, seen):
    """Unseen items, best first; equal scores by the lower index."""
    items = [i for i in range(len(scores)) if i not in seen and scores[i] != -math.inf]
    return sorted(items, key=lambda item: (-scores[item], item))


def hit_rate(items, relevant, k):
    return 1.0 if set(items[:k]) & set(relevant) else 0.0


def recall(items, relevant, k):
    return len(set(items[:k]) & set(relevant)) / len(set(relevant))


def precision(items, relevant, k):
    return len(set(items[:k]) & set(relevant)) / k


def ndcg(items, relevant, k):
    gain = sum(1 / math.log2(rank + 1) for rank, i in enumerate(items[:k], 1) if i in relevant)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(set(relevant))) + 1))
    return gain / best


def mrr(items, relevant, k):
    for rank, item in enumerate(items[:k], 1):
        if item in relevant:
            return 1 / rank
    return 0.0


def average_precision(items, relevant, k):
    total, found = 0.0, 0
    for rank, item in enumerate(items[:k], 1):
        if item in relevant:
            found += 1
            total += found / rank
    return total / min(k, len(set(relevant)))


METRICS = {
    "hit_rate": hit_rate,
    "recall": recall,
    "precision": precision,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
}


def all_metrics(scores, seen, test_rows, cutoffs):
    """Means over users; `hit` over test rows; coverage. Lists of lists in, a dict out."""
    users = [u for u in range(len(scores)) if test_rows[u]]
    lists = {u: ranked(scores[u], seen[u]) for u in users}
    values = {}
    for k in cutoffs:
        for name, metric in METRICS.items():
            by_user = [metric(lists[u], test_rows[u], k) for u in users]
            values[f"{name}_at_{k}"] = math.fsum(by_user) / len(by_user)
        rows = [item in lists[u][:k] for u in users for item in test_rows[u]]
        values[f"hit_at_{k}"] = sum(rows) / len(rows)
        listed = {item for u in users for item in lists[u][:k]}
        values[f"coverage_at_{k}"] = len(listed) / len(scores[0])
    return values
