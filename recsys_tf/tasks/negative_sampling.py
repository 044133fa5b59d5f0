"""Negatives drawn in the graph, and how often each was to be expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from recsys_tf.types import NUM_RESERVED_INDICES, FloatArray, Tensor


class Negatives(NamedTuple):
    """Draws of items, with replacement.

    Attributes:
        ids: int32 `[K]`, shared by all positions, or `[M, K]`.
        log_expected_counts: float32 of the same shape, `log(K q)` of each draw's item, where `q` is
            the probability of one draw: how often the item was to be expected among the draws.
    """

    ids: Tensor
    log_expected_counts: Tensor


class Sampler(Protocol):
    """Draws negatives for the positives of a batch, from the rows of a table."""

    def __call__(self, positives: Tensor, num_rows: int | Tensor) -> Negatives:
        """Draws; see `UniformSampler`."""


class UniformSampler:
    """Draws every item with the same probability, `1 / N`.

    Draws are with replacement, also where more are asked for than there are items: the expected
    counts then exceed 1, and each item still counts once in a corrected sum. They follow the global
    seed (`keras.utils.set_random_seed`).

    Args:
        num_negatives: `K`, draws for the batch or for each position.
        is_shared: Whether all positions of a batch share their draws: then their scores are one
            matrix product, and `M` times as many negatives cost less than own ones.

    Example:
        >>> sampler = UniformSampler(num_negatives=6)
        >>> negatives = sampler(tf.constant([2, 3]), num_rows=5)
        >>> [round(float(each)) for each in tf.exp(negatives.log_expected_counts)]  # 6 of 3 items
        [2, 2, 2, 2, 2, 2]
    """

    def __init__(self, num_negatives: int, is_shared: bool = True) -> None:
        check_at_least("num_negatives", num_negatives, 1)
        self._num_negatives = num_negatives
        self._is_shared = is_shared

    def __call__(self, positives: Tensor, num_rows: int | Tensor) -> Negatives:
        """Draws negatives.

        Args:
            positives: int32 `[M]`.
            num_rows: Rows of the table, with the two that are no items.

        Returns:
            The draws, `[K]` or `[M, K]`.
        """
        shape = _shape(self._num_negatives, self._is_shared, positives)
        ids = tf.random.uniform(shape, NUM_RESERVED_INDICES, num_rows, tf.int32)
        num_items = tf.cast(num_rows - NUM_RESERVED_INDICES, tf.float32)
        return Negatives(ids, tf.fill(shape, tf.math.log(self._num_negatives / num_items)))


class PopularitySampler:
    """Draws an item with a probability in proportion to `popularity^alpha`.

    Between the uniform draws of `alpha = 0` and those of the data at `alpha = 1`. Popular negatives
    are harder. An item of popularity 0 is never drawn but at `alpha = 0`.

    Args:
        num_negatives: `K`.
        popularity: `[N]`, for each row of the table its count in the training rows; what stands in
            rows 0 and 1 is not used.
        alpha: 0 or above; 0.75 is word2vec's.
        is_shared: Whether all positions of a batch share their draws.

    Example:
        >>> sampler = PopularitySampler(4, popularity=[9, 9, 3, 1, 0], alpha=1.0)
        >>> ids, log_counts = sampler(tf.constant([2]), num_rows=5)
        >>> {2: 3.0, 3: 1.0}[int(ids[0])] == round(float(tf.exp(log_counts[0])), 4)
        True

    Source:
        Mikolov et al., 2013, "Distributed Representations of Words and Phrases and their
        Compositionality", https://arxiv.org/abs/1310.4546, section 2.2.
    """

    def __init__(
        self,
        num_negatives: int,
        popularity: Sequence[float] | FloatArray,
        alpha: float = 0.75,
        is_shared: bool = True,
    ) -> None:
        check_at_least("num_negatives", num_negatives, 1)
        check_at_least("alpha", alpha, 0)
        self._num_negatives = num_negatives
        self._is_shared = is_shared
        probability = item_probabilities(popularity, alpha)
        with np.errstate(divide="ignore"):
            self._log_counts = np.log(num_negatives * probability).astype("float32")
        # In float32 the items of a long tail would have no step of their own in the sum.
        cumulative = np.cumsum(probability)
        self._cumulative = cumulative / cumulative[-1]

    def __call__(self, positives: Tensor, num_rows: int | Tensor) -> Negatives:
        """Draws negatives; see `UniformSampler`."""
        check_popularity_length(self._cumulative, num_rows)
        shape = _shape(self._num_negatives, self._is_shared, positives)
        drawn = tf.reshape(tf.random.uniform(shape, dtype=tf.float64), [-1])
        ids = tf.searchsorted(tf.constant(self._cumulative), drawn, "right")
        ids = tf.reshape(ids, shape)
        return Negatives(ids, tf.gather(tf.constant(self._log_counts), ids))


class MixedSampler:
    """Draws a share of the negatives from the batch's own positives and the rest uniformly.

    The first are popular and so hard; the second let no item go without a push. An item is
    expected `K_b f + K_u / N` times among `K_b` draws from the batch and `K_u` uniform ones, where
    `f` is its share of the positives: in the batch itself or, where `popularity` is given, in all.

    Args:
        num_negatives: `K = K_b + K_u`, shared by all positions of a batch.
        batch_share: `K_b / K`, from 0 to 1.
        popularity: `[N]`, for each row of the table its count in the training rows, or None.
            Without it the corrected sum is right in expectation for every batch; with it, over
            many batches. An item of popularity 0 counts as the rarest other.

    Source:
        Yang et al., 2020, "Mixed Negative Sampling for Learning Two-tower Neural Networks in
        Recommendations", https://doi.org/10.1145/3366424.3386195, section 4; there every positive
        of the batch is taken once.
    """

    def __init__(
        self,
        num_negatives: int,
        batch_share: float = 0.5,
        popularity: Sequence[float] | FloatArray | None = None,
    ) -> None:
        check_at_least("num_negatives", num_negatives, 1)
        if not 0 <= batch_share <= 1:
            raise ValueError(f"`batch_share` must be from 0 to 1, received {batch_share!r}.")
        self._num_of_batch = round(num_negatives * batch_share)
        self._num_uniform = num_negatives - self._num_of_batch
        self._share = None
        if popularity is not None:
            share = item_probabilities(popularity, 1.0)
            self._share = np.maximum(share, share[share > 0].min())

    def __call__(self, positives: Tensor, num_rows: int | Tensor) -> Negatives:
        """Draws negatives; see `UniformSampler`."""
        num_positives = tf.size(positives)
        # Of a batch without positives no loss comes; its draws only have to exist.
        drawn_from = tf.concat([positives, [NUM_RESERVED_INDICES]], axis=0)
        rows = tf.random.uniform(
            [self._num_of_batch], 0, tf.maximum(num_positives, 1), dtype=tf.int32
        )
        uniform = tf.random.uniform(
            [self._num_uniform], NUM_RESERVED_INDICES, num_rows, dtype=tf.int32
        )
        ids = tf.concat([tf.gather(drawn_from, rows), uniform], axis=0)
        num_items = tf.cast(num_rows - NUM_RESERVED_INDICES, tf.float32)
        counts = self._num_of_batch * self._shares(ids, positives, num_rows)
        return Negatives(ids, tf.math.log(counts + self._num_uniform / num_items))

    def _shares(self, ids: Tensor, positives: Tensor, num_rows: int | Tensor) -> Tensor:
        if self._share is not None:
            check_popularity_length(self._share, num_rows)
            return tf.gather(tf.constant(self._share, tf.float32), ids)
        in_order = tf.sort(positives)
        counts = tf.searchsorted(in_order, ids, "right") - tf.searchsorted(in_order, ids, "left")
        return tf.math.divide_no_nan(
            tf.cast(counts, tf.float32), tf.cast(tf.size(positives), tf.float32)
        )


def item_probabilities(popularity: Sequence[float] | FloatArray, alpha: float) -> FloatArray:
    """Computes `popularity^alpha`, 0 in the two rows that are no items, divided by its sum.

    Args:
        popularity: `[N]`, finite, 0 or above, not all 0 among the items.
        alpha: 0 or above.

    Returns:
        float64 `[N]`.

    Raises:
        ValueError: If the popularity is not as said.

    Example:
        >>> item_probabilities([9, 9, 1, 4], alpha=0.5).round(3).tolist()
        [0.0, 0.0, 0.333, 0.667]
    """
    values = np.array(popularity, "float64")
    if values.ndim != 1 or not np.all(np.isfinite(values)) or np.any(values < 0):
        raise ValueError(
            "`popularity` must be [N] finite numbers, 0 or above, one a row of the table, received "
            f"shape {values.shape}, minimum {values.min(initial=np.inf)}."
        )
    values = values**alpha
    values[:NUM_RESERVED_INDICES] = 0
    if values.sum() == 0:
        raise ValueError(
            f"`popularity` must be above 0 for an item, received {values.size} rows without one."
        )
    return values / values.sum()


def check_at_least(name: str, value: float, least: float) -> None:
    """Raises an error where a number is too low.

    Args:
        name: The argument's name.
        value: What was received.
        least: The least that it may be.

    Raises:
        ValueError: If the value is below.
    """
    if not value >= least:
        raise ValueError(f"`{name}` must be {least} or above, received {value!r}.")


def check_popularity_length(popularity: FloatArray, num_rows: int | Tensor | None) -> None:
    """Raises an error where a popularity is not of the table's length, as far as that is known.

    Args:
        popularity: `[N]`.
        num_rows: Rows of the table; a tensor or None where they are not known yet.

    Raises:
        ValueError: If the lengths differ.
    """
    if isinstance(num_rows, int) and num_rows != len(popularity):
        raise ValueError(
            f"`popularity` must have one number a row of the table, {num_rows} with padding and "
            f"unknown, received {len(popularity)}."
        )


def _shape(num_negatives: int, is_shared: bool, positives: Tensor) -> list[int | Tensor]:
    return [num_negatives] if is_shared else [tf.size(positives), num_negatives]
