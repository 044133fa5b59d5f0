"""Losses over a table from the definitions, row by row in plain NumPy, with no gradient of TF's."""

import numpy as np

FIRST = 2  # Rows 0 and 1 are padding and unknown.


def weights_of_items(positives, weights):
    return np.where(np.asarray(positives) >= FIRST, np.asarray(weights, "float64"), 0.0)


def weighted_mean(losses, weights):
    return float(np.sum(losses * weights) / np.sum(weights)) if np.sum(weights) else 0.0


def full_softmax(queries, positives, table, weights, temperature=1.0):
    """Loss and gradients of queries and table, from all scores at once, in float64."""
    queries, table = np.asarray(queries, "float64"), np.asarray(table, "float64")
    weights = weights_of_items(positives, weights)
    scores = queries @ table.T / temperature
    scores[:, :FIRST] = -np.inf
    largest = scores.max(axis=1, keepdims=True)
    exponentials = np.exp(scores - largest)
    sums = exponentials.sum(axis=1, keepdims=True)
    rows = np.arange(len(queries))
    losses = (np.log(sums) + largest)[:, 0] - np.where(weights > 0, scores[rows, positives], 0.0)
    of_scores = exponentials / sums
    of_scores[rows, positives] -= 1
    of_scores *= (weights / max(weights.sum(), 1e-300) / temperature)[:, None]
    return weighted_mean(losses, weights), of_scores @ table, of_scores.T @ queries


def sampled_losses(name, positive, negatives, log_counts=None, beta=1.0):
    """The loss of one position whose accidental hits are gone already."""
    negatives = np.asarray(negatives, "float64")
    if name == "softmax":
        corrected = negatives - (0.0 if log_counts is None else np.asarray(log_counts))
        return float(np.log(np.exp(positive) + np.exp(corrected).sum()) - positive)
    if name == "bpr":
        return float(np.mean(np.log1p(np.exp(negatives - positive)))) if len(negatives) else 0.0
    of_positive = beta * np.log1p(np.exp(-positive))
    return float((of_positive + np.log1p(np.exp(negatives)).sum()) / (len(negatives) + 1))
