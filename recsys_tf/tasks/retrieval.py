"""The retrieval task: which item of the batch did this query meet?"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from recsys_tf.tasks.equal_rows import group_equal_rows
from recsys_tf.tasks.tfrs import tfrs
from recsys_tf.types import Tensor

# Scores made at a time: few megabytes, which stay in a processor's cache from their product to
# their gradient. A batch of 8,192 rows has 67 million, and every pass over them goes to memory.
_BLOCK_SCORES = 2**19
_LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)


class RetrievalTask:
    r"""Computes the mean in-batch softmax cross-entropy, through `tfrs.tasks.Retrieval`.

    With scores `s_ij = q_i . c_j / temperature - a log p_j` the loss is
    `-sum_i w_i log softmax_j(s_ij)[i] / sum_i w_i`: each row's item against the other rows' items.
    `p_j` is the probability that item `j` is drawn into a batch; popular items stand in more
    batches, and with `a = 1` the scores estimate the softmax over the whole catalogue. Another
    row's item that equals this row's item is no negative and is removed.

    TFRS sums over the batch; the mean is taken here, so that the task's weight keeps its meaning
    at another batch size.

    Args:
        temperature: Scores are divided by it, above 0; 1 for free dot products, about 0.05 for
            cosines.
        popularity_correction: The factor `a`, 0 or above; 1 is the whole correction.

    Source:
        Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations", RecSys 2019, https://doi.org/10.1145/3298689.3346996, equation 3.
    """

    def __init__(self, temperature: float = 1.0, popularity_correction: float = 1.0) -> None:
        self._task = _RetrievalInBlocks(temperature=temperature, remove_accidental_hits=True)
        self._correction = popularity_correction

    def loss(
        self,
        query_embeddings: Tensor,
        candidate_embeddings: Tensor,
        item_indices: Tensor,
        sampling_probability: Tensor,
        sample_weight: Tensor,
    ) -> Tensor:
        """Computes the loss of a batch.

        Args:
            query_embeddings: float `[B, D]`.
            candidate_embeddings: float `[B, D]`; row `i` is the item that query `i` met.
            item_indices: int `[B]`, to find equal items.
            sampling_probability: float `[B]`, share of the training rows that hold the item; equal
                for equal items. For 0 the least normal float32 stands, so that all is finite.
            sample_weight: float `[B]`; 0 leaves a row out as a query. It stays a negative.

        Returns:
            float32 scalar, 0 where all weights are 0.
        """
        # In half precision the logits of a large batch lose the difference between near items, and
        # the probabilities of rare ones are 0. TFRS takes a probability and cuts it at 1e-6, which
        # `p^a` of a rare item is below; the logarithm itself needs no such bound.
        probability = tf.maximum(tf.cast(sampling_probability, tf.float32), _LEAST_PROBABILITY)
        total = self._task(
            tf.cast(query_embeddings, tf.float32),
            tf.cast(candidate_embeddings, tf.float32),
            sample_weight=tf.cast(sample_weight, tf.float32),
            corrections=-self._correction * tf.math.log(probability),
            candidate_ids=tf.cast(item_indices, tf.int32),
        )
        return tf.math.divide_no_nan(total, tf.reduce_sum(sample_weight))


class _RetrievalInBlocks(tfrs.tasks.Retrieval):
    """The TFRS task's loss without its `[B, B]` matrices of scores, labels and repeated items.

    Rows whose candidates are equal share one column of scores, as often counted as it has rows:
    without dropout on the candidate's side a batch has as many columns as items. Queries are taken
    in blocks, and each block makes its gradient with its loss, as `softmax(S) C`: half the time of
    the TFRS task, and memory that does not grow with `B^2`.
    """

    def call(
        self,
        query_embeddings: Tensor,
        candidate_embeddings: Tensor,
        sample_weight: Tensor,
        corrections: Tensor,
        candidate_ids: Tensor,
    ) -> Tensor:
        """Sums `-w_i log softmax_j(s_ij)[i]`; see `tfrs.tasks.Retrieval.call`.

        In the place of its `candidate_sampling_probability` stand `corrections`, float `[B]`, which
        are added to the candidates' scores.
        """
        return summed_crossentropy(
            query_embeddings / self._temperature,
            candidate_embeddings,
            corrections,
            sample_weight,
            candidate_ids,
        )


def summed_crossentropy(
    query: Tensor, candidate: Tensor, correction: Tensor, weight: Tensor, items: Tensor
) -> Tensor:
    """Sums the weighted losses of all queries, block by block.

    Args:
        query: float32 `[B, D]`.
        candidate: float32 `[B, D]`; row `i` is the item that query `i` met.
        correction: float32 `[B]`, added to the scores of each candidate.
        weight: float32 `[B]`.
        items: int32 `[B]`; of equal ones, a query's own candidate alone is scored.

    Returns:
        float32 scalar, `-sum_i w_i log softmax_j(q_i . c_j + correction_j)[i]`, with gradients of
        `query` and `candidate`.
    """

    @tf.custom_gradient
    def total(query: Tensor, candidate: Tensor) -> tuple[Tensor, Any]:
        num_rows, num_units = tf.shape(query)[0], query.shape[1]
        groups = group_equal_rows(candidate, items)
        num_groups = tf.size(groups.counts)
        size = tf.maximum(_BLOCK_SCORES // tf.maximum(num_groups, 1), 1)
        vectors = tf.gather(candidate, groups.rows)
        log_counts = tf.math.log(groups.counts)
        # What is added to a group's scores is one more unit of its vector, and 1 of the queries'.
        offsets = log_counts + tf.gather(correction, groups.rows)
        scored_vectors = tf.concat([vectors, offsets[:, tf.newaxis]], axis=1)
        scored_query = tf.concat([query, tf.ones_like(query[:, :1])], axis=1)
        group_items = tf.gather(items, groups.rows)
        order = tf.argsort(group_items)
        in_order = tf.gather(group_items, order)
        first = tf.searchsorted(in_order, items, "left")
        last = tf.searchsorted(in_order, items, "right")

        def block(start: Tensor, loss: Tensor, of_queries: Any, of_groups: Tensor) -> Any:
            rows = tf.range(start, tf.minimum(start + size, num_rows))
            own = tf.gather(groups.of_rows, rows)
            own_weight = tf.gather(weight, rows)[:, tf.newaxis]
            # The groups of the rows' own items, one or several.
            equal = tf.ragged.range(
                tf.gather(first, rows), tf.gather(last, rows), row_splits_dtype=tf.int32
            )
            columns = tf.gather(order, equal.values)
            # `value_rowids` takes a dozen operations for the same.
            row_of_cell = tf.searchsorted(equal.row_splits[1:], tf.range(tf.size(columns)), "right")
            probability, own_probability, log_own = _softmax(
                tf.matmul(tf.gather(scored_query, rows), scored_vectors, transpose_b=True),
                own,
                tf.stack([row_of_cell, columns], axis=1),
                -tf.gather(log_counts, columns),
            )
            mean = tf.matmul(probability, vectors) - tf.gather(vectors, own)
            found = tf.concat([own_weight * mean, own_probability[:, tf.newaxis]], axis=1)
            weighted_query = own_weight * tf.gather(query, rows)
            of_groups += tf.matmul(probability, weighted_query, transpose_a=True)
            loss -= tf.reduce_sum(own_weight[:, 0] * log_own)
            return start + size, loss, of_queries.write(of_queries.size(), found), of_groups

        parts = tf.TensorArray(
            tf.float32, 0, True, infer_shape=False, element_shape=[None, num_units + 1]
        )
        # A batch without rows has no block, and of nothing there is nothing to join.
        parts = parts.write(0, scored_query[:0])
        # Each block makes its own gradient, so nothing is kept for a backward loop.
        _, loss, found, of_groups = tf.while_loop(
            lambda start, *_: start < num_rows,
            block,
            (tf.constant(0), tf.constant(0.0), parts, tf.zeros_like(vectors)),
            parallel_iterations=1,
        )
        of_queries, own_probability = tf.split(found.concat(), [num_units, 1], axis=1)
        weighted_query = weight[:, tf.newaxis] * query
        # The rows of a group are negatives alike, and each is the positive of its own query.
        of_own = own_probability * weighted_query
        of_negatives = of_groups - tf.math.unsorted_segment_sum(of_own, groups.of_rows, num_groups)
        shared = tf.gather(of_negatives / groups.counts[:, tf.newaxis], groups.of_rows)
        of_candidates = shared + of_own - weighted_query
        of_queries = tf.ensure_shape(of_queries, query.shape)
        return loss, lambda upstream: (upstream * of_queries, upstream * of_candidates)

    return total(query, candidate)


def _softmax(
    scores: Tensor, own: Tensor, equal_cells: Tensor, own_offsets: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Softmax of scores whose own item counts once; also its own cells and their logarithms.

    Args:
        scores: float `[b, G]`.
        own: int32 `[b]`, each row's own group.
        equal_cells: int32 `[E, 2]`, the cells of the rows' own items.
        own_offsets: float `[E]`, added in a row's own cell; other cells of its item get 0.
    """
    own_cells = tf.stack([tf.range(tf.size(own)), own], axis=1)
    is_own = tf.equal(equal_cells[:, 1], tf.gather(own, equal_cells[:, 0]))
    # A sparse sum, which is faster here than a scatter. Half the lowest number, since a score that
    # is taken from the lowest itself could leave the range.
    scores = tf.raw_ops.SparseTensorDenseAdd(
        a_indices=equal_cells,
        a_values=tf.where(is_own, own_offsets, 0.5 * scores.dtype.min),
        a_shape=tf.shape(scores),
        b=scores,
    )
    probability = tf.nn.softmax(scores)
    own_probability = tf.gather_nd(probability, own_cells)
    # The logarithm of a number that is about to vanish is taken from the scores, at one more pass.
    log_own = tf.cond(
        tf.reduce_all(own_probability > 1e-30),
        lambda: tf.math.log(own_probability),
        lambda: tf.gather_nd(scores, own_cells) - tf.reduce_logsumexp(scores, axis=1),
    )
    return probability, own_probability, log_own
