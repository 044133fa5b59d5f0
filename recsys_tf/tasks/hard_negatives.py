"""Negatives that the model itself ranks high, mined while it trains."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from recsys_tf.losses import sampled_softmax
from recsys_tf.tasks.computed_table import frozen_rows, take_rows
from recsys_tf.tasks.negative_sampling import UniformSampler, check_at_least
from recsys_tf.tasks.retrieval_loss import RetrievalLoss
from recsys_tf.tasks.sampled_loss import check_temperature, score
from recsys_tf.types import NUM_RESERVED_INDICES, Tensor

# Scores of an index made at a time; 64 MB.
_MAX_SCORES = 2**24
_NOT_MADE = -1


@keras.saving.register_keras_serializable(package="recsys_tf")
class HardNegatives(RetrievalLoss):
    r"""Computes `-log(e^p / (e^p + sum_k e^(n_k)))` against mined and uniform negatives `n`.

    For each query the items are ranked by a frozen copy of the table, the index, without the
    query's positive. From the ranks `skip_top` to `num_candidates - 1`, counted from 0, `num_hard`
    different ones are drawn. The best ranks are skipped because the items there are often liked,
    only not seen yet. Uniform negatives, shared by the batch, keep the rest of the catalogue down.

    The loss orders the head of the list and is no estimate of a probability: no correction could
    be right. Best after some epochs with another loss. Mining scores every item, as `FullSoftmax`
    does, but only the drawn rows get a gradient.

    The index is made at the first call and again every `refresh_every` calls of training; an
    evaluation reads what it finds. It takes the table's memory once more, belongs to this object,
    which keeps to the one table that it was first called with, and is not saved: where a model's
    weights are loaded or set as a whole, or another model is grown into it, the next call makes it
    of them.

    Args:
        num_hard: Mined negatives of each position.
        num_candidates: Ranks that are mined, over `skip_top`; at most the number of items less one.
        skip_top: Best ranks that are left out, 0 or above.
        num_uniform: Uniform negatives, shared by the batch; 0 for none.
        refresh_every: Calls of training after which the index is copied anew.
        temperature: Scores are divided by it, above 0.

    Source:
        Xiong et al., 2021, "Approximate Nearest Neighbor Negative Contrastive Learning for Dense
        Text Retrieval", https://arxiv.org/abs/2007.00808, section 4. There the index is approximate
        and refreshed beside the training; here it is exact and refreshed in it.
    """

    def __init__(
        self,
        num_hard: int = 16,
        num_candidates: int = 100,
        skip_top: int = 10,
        num_uniform: int = 256,
        refresh_every: int = 100,
        temperature: float = 1.0,
    ) -> None:
        check_temperature(temperature)
        for name, value, least in (
            ("num_hard", num_hard, 1),
            ("skip_top", skip_top, 0),
            ("num_uniform", num_uniform, 0),
            ("refresh_every", refresh_every, 1),
        ):
            check_at_least(name, value, least)
        if num_candidates - skip_top < num_hard:
            raise ValueError(
                "`num_candidates` must be `skip_top` and `num_hard` together or above, "
                f"{skip_top + num_hard}, received {num_candidates}."
            )
        self._config: dict[str, Any] = {
            "num_hard": num_hard,
            "num_candidates": num_candidates,
            "skip_top": skip_top,
            "num_uniform": num_uniform,
            "refresh_every": refresh_every,
            "temperature": temperature,
        }
        self._index: Any = None
        # Calls of training since the index was made; below 0 where there is none.
        self._age: Any = None

    def forget(self) -> None:
        """Has the index made anew at the next call."""
        if self._age is not None:
            self._age.assign(_NOT_MADE)

    def _total(
        self, queries: Tensor, positives: Tensor, table: Tensor, weights: Tensor, training: bool
    ) -> Tensor:
        self._refresh(table, training)
        queries = queries / self._config["temperature"]
        positive_vectors = tf.cast(take_rows(table, positives), tf.float32)
        positive_scores = tf.reduce_sum(queries * positive_vectors, axis=1)
        mined = self._mine(queries, positives)
        # The positive is no candidate, so that every mined item is a negative.
        scores, are_negative = [score(queries, table, mined)], [tf.fill(tf.shape(mined), True)]
        if self._config["num_uniform"]:
            uniform = UniformSampler(self._config["num_uniform"])(positives, table.shape[0]).ids
            scores.append(score(queries, table, uniform))
            are_negative.append(tf.not_equal(uniform, positives[:, tf.newaxis]))
        losses = sampled_softmax(
            positive_scores, tf.concat(scores, axis=1), tf.concat(are_negative, axis=1)
        )
        return tf.reduce_sum(weights * losses)

    def _refresh(self, table: Tensor, training: bool) -> None:
        """Copies the table into the index where that is due, and counts the calls of training."""
        shape = table.shape
        self._check_table(shape)
        if self._index is None:
            # Outside of the graph that may be traced now.
            with tf.init_scope():
                self._index = tf.Variable(tf.zeros(shape, tf.float32), trainable=False)
                self._age = tf.Variable(_NOT_MADE, trainable=False, dtype=tf.int64)
        is_due = self._age < 0
        if training:
            is_due |= self._age >= self._config["refresh_every"]

        def copy() -> Tensor:
            self._index.assign(tf.cast(frozen_rows(table), tf.float32))
            return tf.constant(0, tf.int64)

        age = tf.cond(is_due, copy, lambda: tf.identity(self._age))
        self._age.assign(age + int(training))

    def _check_table(self, shape: Any) -> None:
        if not shape.is_fully_defined():
            raise ValueError(
                "`table` must have a known number of rows, of which an index is kept, received "
                f"shape {tuple(shape)}."
            )
        if self._index is not None and self._index.shape != shape:
            raise ValueError(
                f"`table` must be of the shape of the index, {tuple(self._index.shape)}, received "
                f"{tuple(shape)}. Make one loss for each table."
            )
        num_others = shape[0] - NUM_RESERVED_INDICES - 1
        if self._config["num_candidates"] > num_others:
            raise ValueError(
                "`num_candidates` must be at most the number of items less one, "
                f"{num_others}, received {self._config['num_candidates']}."
            )

    def _mine(self, queries: Tensor, positives: Tensor) -> Tensor:
        """Draws `num_hard` candidates of each query; int32 `[M, num_hard]`."""
        index = tf.convert_to_tensor(self._index)[NUM_RESERVED_INDICES:]
        queries = tf.stop_gradient(queries)
        num_queries = tf.shape(queries)[0]
        size = max(_MAX_SCORES // index.shape[0], 1)
        num_hard, skip_top = self._config["num_hard"], self._config["skip_top"]

        def block(start: Tensor, found: Any) -> tuple[Tensor, Any]:
            own = positives[start : start + size] - NUM_RESERVED_INDICES
            scores = tf.matmul(queries[start : start + size], index, transpose_b=True)
            cells = tf.stack([tf.range(tf.size(own)), own], axis=1)
            lowest = tf.fill(tf.shape(own), scores.dtype.min)
            scores = tf.tensor_scatter_nd_update(scores, cells, lowest)
            best = tf.math.top_k(scores, self._config["num_candidates"]).indices[:, skip_top:]
            # The largest of independent numbers are at places drawn without replacement.
            places = tf.math.top_k(tf.random.uniform(tf.shape(best)), num_hard).indices
            drawn = tf.gather(best, places, batch_dims=1) + NUM_RESERVED_INDICES
            return start + size, found.write(found.size(), drawn)

        parts = tf.TensorArray(tf.int32, 0, True, infer_shape=False, element_shape=[None, num_hard])
        _, found = tf.while_loop(
            lambda start, _: start < num_queries,
            block,
            (tf.constant(0), parts.write(0, tf.zeros([0, num_hard], tf.int32))),
            parallel_iterations=1,
        )
        return tf.ensure_shape(found.concat(), [None, num_hard])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return dict(self._config)
