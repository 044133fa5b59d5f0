"""The softmax over the whole catalogue, in memory that the catalogue does not decide."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from recsys_tf.tasks.negative_sampling import check_at_least
from recsys_tf.tasks.retrieval_loss import RetrievalLoss
from recsys_tf.tasks.sampled_loss import check_temperature
from recsys_tf.types import NUM_RESERVED_INDICES, Tensor

# Scores of a block where the choice is free: 4 MB, which stay in a processor's cache from their
# product to their gradient.
_CACHED_SCORES = 2**20
# A block of fewer queries or items reads the others more than it computes with them.
_MIN_BLOCK = 128


@keras.saving.register_keras_serializable(package="recsys_tf")
class FullSoftmax(RetrievalLoss):
    r"""Computes `-log softmax_j(s_ij)` of each positive, over all items `j` of the table.

    `s_ij = q_i . t_j / temperature + b_j`. The loss that sampled ones estimate. On catalogues up to
    some ten thousand items it is fast enough to be the first choice.

    Neither the scores `[M, N]` nor their gradient ever stand in memory. Up to `max_scores / 128`
    items, queries are taken in blocks, and each block makes its gradient with its loss, `P T` and
    `P^T Q` from its softmax `P`: three matrix products and one pass. With more items, rows of the
    table are taken in blocks, twice: first for the sums of exponentials, then for the gradients.
    Then the table's gradient is written once, at the price of one more product.

    The gradient is made with the loss even where nobody asks for it.

    Args:
        temperature: Scores are divided by it, above 0; 1 for free dot products, about 0.05 for
            cosines.
        max_scores: Scores made at a time at most, 4 bytes each and up to twice, as the softmax may
            take a second block. Blocks are of about 2^20 scores and at least 128 queries or items,
            and few batches or catalogues need more than the default, 64 MB. At least one row of
            scores is made, however low the bound.

    Example:
        >>> table = tf.constant([[9.0], [9.0], [0.0], [0.0]])
        >>> loss = FullSoftmax()(tf.constant([[1.0]]), tf.constant([2]), table)
        >>> round(float(loss), 4)  # log 2: one of two equal items; rows 0 and 1 are none.
        0.6931

    Source:
        Klenitskiy and Vasilev, 2023, "Turning Dross Into Gold Loss: is BERT4Rec really better than
        SASRec?", https://arxiv.org/abs/2309.07602, on what the full softmax does for ranking.
    """

    def __init__(self, temperature: float = 1.0, max_scores: int = 2**24) -> None:
        check_temperature(temperature)
        check_at_least("max_scores", max_scores, 1)
        self.temperature = temperature
        self.max_scores = max_scores

    def __call__(
        self,
        queries: Tensor,
        positives: Tensor,
        table: Tensor,
        weights: Tensor | None = None,
        biases: Tensor | None = None,
        *,
        training: bool = True,
    ) -> Tensor:
        """Computes the loss; see `RetrievalLoss`.

        Args:
            queries: float `[M, D]`.
            positives: int `[M]`.
            table: float `[N, D]`.
            weights: float `[M]` or None.
            biases: float `[N]`, `b`, added to the items' scores, or None.
            training: Not used.

        Returns:
            float32 scalar.
        """
        if biases is not None:
            # An item's bias is one more unit of its row, and a constant of the queries'.
            queries = tf.cast(queries, tf.float32)
            column = tf.fill([tf.shape(queries)[0], 1], self.temperature)
            queries = tf.concat([queries, column], axis=1)
            table = tf.concat([table, tf.convert_to_tensor(biases)[:, tf.newaxis]], axis=1)
        return super().__call__(queries, positives, table, weights, training=training)

    def _total(
        self, queries: Tensor, positives: Tensor, table: Tensor, weights: Tensor, training: bool
    ) -> Tensor:
        num_rows = table.shape[0]
        # What is not known to be short may be long.
        if num_rows is not None and num_rows * _MIN_BLOCK <= self.max_scores:
            method, num_others = _by_queries, tf.constant(num_rows)
        else:
            method, num_others = _by_items, tf.maximum(tf.shape(queries)[0], 1)
        size = tf.maximum(_CACHED_SCORES // num_others, _MIN_BLOCK)
        size = tf.maximum(tf.minimum(size, self.max_scores // num_others), 1)
        own = positives - NUM_RESERVED_INDICES

        @tf.custom_gradient
        def total(queries: Tensor, table: Tensor) -> tuple[Tensor, Any]:
            vectors = tf.cast(table, tf.float32)
            losses, of_queries, of_table = method(queries, own, vectors, weights, size)
            of_table = tf.tensor_scatter_nd_sub(
                of_table, positives[:, tf.newaxis], weights[:, tf.newaxis] * queries
            )
            of_table = tf.cast(of_table, table.dtype)
            return tf.reduce_sum(weights * losses), lambda upstream: (
                upstream * of_queries,
                tf.cast(upstream, table.dtype) * of_table,
            )

        return total(queries / self.temperature, tf.convert_to_tensor(table))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"temperature": self.temperature, "max_scores": self.max_scores}


def _by_queries(
    queries: Tensor, own: Tensor, table: Tensor, weights: Tensor, size: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses `[M]`, gradient of the queries, and of the table but for the positives' own part."""
    vectors = table[NUM_RESERVED_INDICES:]
    num_queries, num_units = tf.shape(queries)[0], table.shape[1]

    def block(start: Tensor, found: Any, of_vectors: Tensor) -> Any:
        own_query, own_item = queries[start : start + size], own[start : start + size]
        own_weight = weights[start : start + size, tf.newaxis]
        probability = tf.nn.softmax(tf.matmul(own_query, vectors, transpose_b=True))
        own_vector = tf.gather(vectors, own_item)
        own_probability = tf.gather(probability, own_item, batch_dims=1)
        # The logarithm of a number that is about to vanish is taken from scores made once more:
        # kept, they would need a second block of memory at every softmax.
        losses = tf.cond(
            tf.reduce_all(own_probability > 1e-30),
            lambda: -tf.math.log(own_probability),
            lambda: (
                tf.reduce_logsumexp(tf.matmul(own_query, vectors, transpose_b=True), axis=1)
                - tf.reduce_sum(own_query * own_vector, axis=1)
            ),
        )
        of_query = own_weight * (tf.matmul(probability, vectors) - own_vector)
        of_vectors += tf.matmul(probability, own_weight * own_query, transpose_a=True)
        found = found.write(found.size(), tf.concat([of_query, losses[:, tf.newaxis]], axis=1))
        return start + size, found, of_vectors

    _, found, of_vectors = tf.while_loop(
        lambda start, *_: start < num_queries,
        block,
        (tf.constant(0), _parts(num_units + 1), tf.zeros_like(vectors)),
        parallel_iterations=1,
    )
    of_queries, losses = tf.split(found.concat(), [num_units, 1], axis=1)
    return losses[:, 0], of_queries, tf.pad(of_vectors, [[NUM_RESERVED_INDICES, 0], [0, 0]])


def _by_items(
    queries: Tensor, own: Tensor, table: Tensor, weights: Tensor, size: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same as `_by_queries`, in blocks of the table's rows."""
    num_rows, num_units = tf.shape(table)[0], table.shape[1]
    first = tf.constant(NUM_RESERVED_INDICES)
    weighted_query = weights[:, tf.newaxis] * queries

    def add_to_sum(start: Tensor, log_sum: Tensor) -> tuple[Tensor, Tensor]:
        scores = tf.matmul(queries, table[start : start + size], transpose_b=True)
        of_block = tf.reduce_logsumexp(scores, axis=1)
        largest = tf.maximum(log_sum, of_block)
        both = tf.exp(log_sum - largest) + tf.exp(of_block - largest)
        return start + size, largest + tf.math.log(both)

    _, log_sum = tf.while_loop(
        lambda start, _: start < num_rows,
        add_to_sum,
        (first, tf.fill(tf.shape(own), tf.float32.min)),
        parallel_iterations=1,
    )

    def block(start: Tensor, means: Tensor, of_table: Any) -> Any:
        vectors = table[start : start + size]
        scores = tf.matmul(queries, vectors, transpose_b=True)
        probability = tf.exp(scores - log_sum[:, tf.newaxis])
        means += tf.matmul(probability, vectors)
        found = tf.matmul(probability, weighted_query, transpose_a=True)
        return start + size, means, of_table.write(of_table.size(), found)

    reserved = _parts(num_units).write(0, tf.zeros_like(table[:first]))
    _, means, of_table = tf.while_loop(
        lambda start, *_: start < num_rows,
        block,
        (first, tf.zeros_like(queries), reserved),
        parallel_iterations=1,
    )
    own_vector = tf.gather(table, own + NUM_RESERVED_INDICES)
    losses = log_sum - tf.reduce_sum(queries * own_vector, axis=1)
    of_queries = weights[:, tf.newaxis] * (means - own_vector)
    return losses, of_queries, tf.ensure_shape(of_table.concat(), table.shape)


def _parts(num_units: int) -> Any:
    """Matrices to be joined; one without rows is there already, as of nothing nothing is joined."""
    parts = tf.TensorArray(tf.float32, 0, True, infer_shape=False, element_shape=[None, num_units])
    return parts.write(0, tf.zeros([0, num_units]))
