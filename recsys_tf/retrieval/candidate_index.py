"""The catalogue's vectors, searched whole."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from recsys_tf.types import Array, Tensor

# Finite, so that it survives JSON and arithmetic; below any score of a trained model.
EXCLUDED_SCORE = -1e9


class CandidateIndex(tf.Module):
    """Ranks all `N` candidates by dot product, without those that were seen.

    `scores = Q C^T`, by one matrix product: exact, and for up to some hundred thousand items
    faster than an approximate index on one core. Items are known here by their ids, not by their
    embedding's index, so that new items, which share the index of the unknown, are told apart.

    Args:
        embeddings: float `[N, D]`, the candidates' vectors.
        item_ids: The candidates' ids, all different.

    Raises:
        ValueError: If the lengths differ, there is no candidate, or an id stands twice.
    """

    def __init__(self, embeddings: Array, item_ids: Sequence[str]) -> None:
        super().__init__(name="candidate_index")
        if embeddings.ndim != 2 or len(embeddings) != len(item_ids) or not len(item_ids):
            raise ValueError(
                "`embeddings` must be [N, D] with one row for each of `item_ids` and N above 0, "
                f"received shape {embeddings.shape} and {len(item_ids)} ids."
            )
        if len(set(item_ids)) != len(item_ids):
            raise ValueError("`item_ids` must all be different; an id stands there twice.")
        self.num_candidates = len(item_ids)
        self.item_ids = tf.Variable(list(item_ids), trainable=False, name="item_ids")
        self._transposed = tf.Variable(
            embeddings.T.astype("float32"), trainable=False, name="embeddings"
        )
        rows = tf.range(self.num_candidates)
        self._rows = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(list(item_ids)), rows),
            default_value=self.num_candidates,
        )

    def rows(self, item_ids: Tensor) -> Tensor:
        """Returns the candidates' int32 rows, of the shape of `item_ids`; `N` for no candidate."""
        return self._rows.lookup(item_ids)

    def scores(self, queries: Tensor) -> Tensor:
        """Scores every candidate: float `[B, D]` -> float32 `[B, N]`."""
        return tf.matmul(tf.cast(queries, tf.float32), self._transposed)

    def seen_mask(self, seen: Tensor) -> Tensor:
        """Tells which candidates were seen.

        Args:
            seen: string `[B, L]`, ids of items; others than candidates do nothing.

        Returns:
            bool `[B, N]`, True where a candidate stands in the row of `seen`.
        """
        rows = self.rows(seen)
        batch = tf.shape(rows)[0]
        cells = tf.stack([tf.repeat(tf.range(batch), tf.shape(rows)[1]), tf.reshape(rows, [-1])], 1)
        # One column more than candidates takes what is no candidate.
        shape = tf.stack([batch, self.num_candidates + 1])
        counts = tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1], tf.int32), shape)
        return counts[:, : self.num_candidates] > 0

    def top(self, queries: Tensor, seen: Tensor, num: int) -> tuple[Tensor, Tensor]:
        """Finds the best candidates.

        Args:
            queries: float `[B, D]`.
            seen: string `[B, L]`, ids of items to leave out.
            num: Candidates for each query; more than there are gives all.

        Returns:
            float32 scores `[B, K]`, best first, and the candidates' int32 rows `[B, K]`. Seen
            items come last, with `EXCLUDED_SCORE`.
        """
        scores = tf.where(self.seen_mask(seen), EXCLUDED_SCORE, self.scores(queries))
        found = tf.math.top_k(scores, min(num, self.num_candidates))
        return found.values, found.indices
