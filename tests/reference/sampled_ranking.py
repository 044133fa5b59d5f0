"""NCF's evaluation of one user, in plain Python: a dict of scores, the best K of it, a loop."""

import heapq
import math


def metrics(scores, candidates, k):
    """Hit rate and NDCG at K, and the reciprocal rank; the positive is the first candidate."""
    positive, negatives = candidates[0], candidates[1:]
    # The positive comes last, so that an equal score stands before it.
    score_of = {item: scores[item] for item in negatives if item >= 0 and item != positive}
    score_of[positive] = scores[positive]
    ordered = heapq.nlargest(len(score_of), score_of, key=score_of.get)
    place = ordered.index(positive)
    is_hit = positive in ordered[:k]
    return float(is_hit), math.log(2) / math.log(place + 2) if is_hit else 0.0, 1 / (place + 1)
