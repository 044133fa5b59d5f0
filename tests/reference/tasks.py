"""Metrics of labelled rows from the definitions, in plain Python over all rows or pairs."""

import math


def auc(labels, scores, weights):
    won = pairs = 0.0
    for y, s, w in zip(labels, scores, weights, strict=True):
        for other_y, other_s, other_w in zip(labels, scores, weights, strict=True):
            if y == 1 and other_y == 0:
                pairs += w * other_w
                won += w * other_w * (1.0 if s > other_s else 0.5 if s == other_s else 0.0)
    return won / pairs


def log_loss(labels, probabilities, weights):
    total = 0.0
    for y, p, w in zip(labels, probabilities, weights, strict=True):
        p = min(max(p, 1e-7), 1 - 1e-7)
        total -= w * (y * math.log(p) + (1 - y) * math.log(1 - p))
    return total / math.fsum(weights)


def rmse(labels, predictions, weights):
    rows = zip(labels, predictions, weights, strict=True)
    return math.sqrt(math.fsum(w * (y - p) ** 2 for y, p, w in rows) / math.fsum(weights))


def mae(labels, predictions, weights):
    rows = zip(labels, predictions, weights, strict=True)
    return math.fsum(w * abs(y - p) for y, p, w in rows) / math.fsum(weights)


def accuracy(labels, probabilities, weights):
    rows = zip(labels, probabilities, weights, strict=True)
    return math.fsum(w for y, p, w in rows if y == (1 if p >= 0.5 else 0)) / math.fsum(weights)


def f1(labels, probabilities, weights):
    predicted = [1 if p >= 0.5 else 0 for p in probabilities]
    return f1_of_class(1, labels, predicted, weights)


def f1_of_class(which, labels, predicted, weights):
    rows = list(zip(labels, predicted, weights, strict=True))
    both = math.fsum(w for y, p, w in rows if y == which and p == which)
    if not both:
        return 0.0
    precision = both / math.fsum(w for _, p, w in rows if p == which)
    recall = both / math.fsum(w for y, _, w in rows if y == which)
    return 2 * precision * recall / (precision + recall)


def macro_f1(labels, predicted, weights):
    classes = sorted(set(labels) | set(predicted))
    values = [f1_of_class(each, labels, predicted, weights) for each in classes]
    return math.fsum(values) / len(classes)
