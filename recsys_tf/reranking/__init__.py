"""From scored candidates to a varied list: rerankers in plain TensorFlow operations.

All take relevance `[B, N]`, the items' vectors `[B, N, D]`, the places `K` and each request's
trade-off `[B]`, and return the candidates' places in the answer, int32 `[B, K]`.
"""

from collections.abc import Callable

from recsys_tf.reranking.dpp import dpp
from recsys_tf.reranking.max_sum import max_sum
from recsys_tf.reranking.mmr import mmr
from recsys_tf.types import Tensor

RERANKERS: dict[str, Callable[..., Tensor]] = {"dpp": dpp, "max_sum": max_sum, "mmr": mmr}
"""Rerankers by name: `(relevance, vectors, k, diversity, ...) -> positions`."""

__all__ = ["RERANKERS", "dpp", "max_sum", "mmr"]
