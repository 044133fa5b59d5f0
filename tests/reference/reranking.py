"""Plain NumPy twins of the rerankers, one request at a time, from the definitions."""

import numpy as np


def scaled(relevance, valid):
    """Relevance on [0, 1] among the valid candidates."""
    values = [relevance[i] for i in valid]
    low, high = min(values), max(values)
    return {i: (relevance[i] - low) / (high - low) if high > low else 0.0 for i in valid}


def similarities(vectors):
    """(1 + cosine) / 2; a zero vector has the cosine 0, and everything is equal to itself."""
    num = len(vectors)
    found = np.eye(num)
    for i in range(num):
        for j in range(num):
            norms = np.linalg.norm(vectors[i]) * np.linalg.norm(vectors[j])
            if i != j:
                found[i, j] = (1 + (vectors[i] @ vectors[j] / norms if norms else 0.0)) / 2
    return found


def greedy(relevance, k, value, excluded=(), categories=None, cap=None):
    """Adds the candidate of the highest value, the more relevant one of equals, K times.

    `value(scaled relevance, picked, i)`; `categories` is a set for each candidate.
    """
    valid = [i for i in range(len(relevance)) if i not in excluded]
    answer = []
    if valid:
        r = scaled(relevance, valid)
        order = sorted(valid, key=lambda i: (-relevance[i], i))
        while len(answer) < k:
            left = [i for i in order if i not in answer and not full(i, answer, categories, cap)]
            if not left:
                break
            values = [value(r, answer, i) for i in left]
            answer.append(left[int(np.argmax(np.round(values, 6)))])
    return answer + [-1] * (k - len(answer))


def full(i, answer, categories, cap):
    if categories is None:
        return False
    return any(sum(c in categories[j] for j in answer) >= cap for c in categories[i])


def mmr(relevance, similarity, k, diversity, **limits):
    """Carbonell and Goldstein: (1 - d) r_i - d max_j s_ij."""

    def value(r, answer, i):
        nearest = max((similarity[i, j] for j in answer), default=0.0)
        return (1 - diversity) * r[i] - diversity * nearest

    return greedy(relevance, k, value, **limits)


def max_sum(relevance, similarity, k, diversity, **limits):
    """Gollapudi and Sharma: (1 - d) r_i - d sum_j s_ij."""

    def value(r, answer, i):
        return (1 - diversity) * r[i] - diversity * sum(similarity[i, j] for j in answer)

    return greedy(relevance, k, value, **limits)


def dpp(relevance, similarity, k, diversity, **limits):
    """The whole objective, by a determinant computed outright for every candidate list."""

    def value(r, answer, i):
        listed = [*answer, i]
        determinant = np.linalg.det(similarity[np.ix_(listed, listed)])
        volume = np.log(max(determinant, 1e-300))
        return (1 - diversity) * sum(r[j] for j in listed) + diversity * volume

    return greedy(relevance, k, value, **limits)
