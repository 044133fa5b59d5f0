"""The candidates of requests, and the lists that are answered of them."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from recsys_tf.export.list_order import ListOrder, checked_k
from recsys_tf.retrieval.candidate_index import EXCLUDED_SCORE
from recsys_tf.types import Tensor, TensorDict


class Candidates(NamedTuple):
    """The candidates of each request.

    Attributes:
        predictions: float32 `[B, C]` of each answer task, by name.
        scores: float32 `[B, C]`, what orders the answer; `EXCLUDED_SCORE` where nothing is.
        is_item: bool `[B, C]`, False for what must not be answered.
        rows: int32 `[B, C]`, rows of the catalogue.
    """

    predictions: TensorDict
    scores: Tensor
    is_item: Tensor
    rows: Tensor


def ordered_answer(
    candidates: Candidates,
    item_ids: Tensor,
    order: ListOrder,
    max_k: int,
    k: Tensor,
    diversity: Tensor | None = None,
    max_per_category: Tensor | None = None,
) -> dict[str, Tensor]:
    """Orders the candidates and cuts each list where its request wants.

    Args:
        candidates: Of each request.
        item_ids: string `[N]`, the catalogue's ids by row.
        order: Chooses the candidates of each place.
        max_k: Longest list that a request may have.
        k: See `ServedRecommender.recommend`, as for the next two.
        diversity: A wish.
        max_per_category: A wish.

    Returns:
        `item_ids` string `[B, K]`, best first; `scores` float32 `[B, K]`; each prediction float32
        `[B, K]` by its name. Places that cannot be filled hold `""` and 0.

    Raises:
        ValueError: If a wish is given that `order` has no part for.
        tf.errors.InvalidArgumentError: If `k` is below 1, `diversity` is NaN or outside of
            `[0, 1]`, or a wish has neither one value nor one a row.
    """
    predictions, is_item, rows = candidates.predictions, candidates.is_item, candidates.rows
    k = checked_k(k, tf.shape(rows)[0], max_k)
    # Of several models there are more candidates than items.
    num_candidates = tf.minimum(tf.shape(rows)[1], tf.shape(item_ids)[0])
    num_places = tf.minimum(tf.reduce_max(tf.pad(k, [[0, 1]])), num_candidates)
    scores, places = order(
        candidates.scores, is_item, rows, num_places, diversity, max_per_category
    )
    is_wanted = tf.range(tf.shape(places)[1])[tf.newaxis] < k[:, tf.newaxis]
    is_filled = is_wanted & (scores > EXCLUDED_SCORE / 2)
    ids = tf.gather(item_ids, tf.gather(rows, places, batch_dims=1))
    answer = {
        name: tf.where(is_filled, tf.gather(values, places, batch_dims=1), 0.0)
        for name, values in predictions.items()
    }
    answer["item_ids"] = tf.where(is_filled, ids, "")
    answer["scores"] = tf.where(is_filled, scores, 0.0)
    return answer
