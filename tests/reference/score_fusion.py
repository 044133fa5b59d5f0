"""Plain twins of the fusions and calibrations, from the definitions, with loops."""

import math


def rank(row, i):
    """The mean place of a value among its row: 1 for the highest."""
    higher = sum(other > row[i] for other in row)
    equal = sum(other == row[i] for other in row)
    return higher + (equal + 1) / 2


def reciprocal_rank_fusion(rows, weights, offset):
    return [
        sum(w / (offset + rank(row, i)) for row, w in zip(rows, weights, strict=True))
        for i in range(len(rows[0]))
    ]


def borda(rows, weights, num_places):
    return [
        sum(
            w * max(0.0, num_places + 1 - rank(row, i)) / num_places
            for row, w in zip(rows, weights, strict=True)
        )
        for i in range(len(rows[0]))
    ]


def geometric(row_values, powers):
    product = math.prod(max(p, 1e-12) ** a for p, a in zip(row_values, powers, strict=True))
    return product ** (1 / sum(map(abs, powers)))


def isotonic(predictions, labels):
    """The min-max formula: the value at p is max over a <= p of min over b >= p of the mean label.

    Barlow et al. (1972). Returns values by prediction, no pooling involved.
    """
    points = sorted(set(predictions))

    def mean(low, high):
        inside = [y for p, y in zip(predictions, labels, strict=True) if low <= p <= high]
        return sum(inside) / len(inside)

    return {
        p: max(min(mean(a, b) for b in points if b >= p) for a in points if a <= p) for p in points
    }


def interpolate(x, knots, values):
    if x <= knots[0]:
        return values[0]
    for left in range(len(knots) - 1):
        if x <= knots[left + 1]:
            share = (x - knots[left]) / (knots[left + 1] - knots[left])
            return values[left] + share * (values[left + 1] - values[left])
    return values[-1]


def log_odds(p):
    return math.log(p) - math.log1p(-p)


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def ndcg(scores, labels, k):
    """One request's NDCG@K with gains of 0 and 1; None without a success."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    gain = sum(labels[i] / math.log2(place + 2) for place, i in enumerate(order))
    best = sum(1 / math.log2(place + 2) for place in range(min(k, int(sum(labels)))))
    return gain / best if best else None
