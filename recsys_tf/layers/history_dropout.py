"""Events of a history dropped while training."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_rank, check_share
from recsys_tf.types import PADDING_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class HistoryDropout(keras.layers.Layer):
    """Turns a share of a history's events into padding while training.

    `y_l = PADDING_INDEX` with probability `r_b`, else `x_l`. The rate of row `b` is `rate` for
    every row, or with `is_rate_varied` drawn from `uniform(0, min(1, 2 rate))`, whose mean is
    `rate` up to 0.5: rows then look like users of long and of short histories alike, which a
    model that answers new users needs.

    Nothing is scaled up to make good for the dropped events: the mean over those that are left
    has the same expectation.

    Args:
        rate: Share of the events that is dropped, from 0 to below 1.
        is_rate_varied: Whether each row draws its own rate.
        seed: Seed of the draws; None draws one, from Keras's global seed where it is set.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `rate` is not from 0 to below 1, or the input is not of rank 2.

    Example:
        >>> import numpy as np
        >>> HistoryDropout(0.5)(np.array([[5, 6, 0]])).shape == (1, 3)
        True

    Source: Liang et al., 2018, "Variational Autoencoders for Collaborative Filtering",
        https://arxiv.org/abs/1802.05814, section 2: dropout at the input of the history's bag of
        items, at a fixed rate of 0.5. The varied rate is this package's.
    """

    def __init__(
        self,
        rate: float,
        is_rate_varied: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = check_share("rate", rate)
        self.is_rate_varied = bool(is_rate_varied)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if self.rate else None

    def build(self, ids_shape: tuple[int | None, ...]) -> None:
        """Checks the rank; there are no weights."""
        check_rank("ids", ids_shape, 2)

    def call(self, ids: Tensor, training: bool = False) -> Tensor:
        """Drops events.

        Args:
            ids: Indices, int `[B, L]`.
            training: Whether events are dropped; otherwise they come back unchanged.

        Returns:
            Int `[B, L]`.
        """
        if not training or not self.rate:
            return ids
        rates = self.rate
        if self.is_rate_varied:
            rates = keras.random.uniform(
                (ops.shape(ids)[0], 1),
                maxval=min(1.0, 2 * self.rate),
                dtype="float32",
                seed=self.seed_generator,
            )
        draws = keras.random.uniform(ops.shape(ids), dtype="float32", seed=self.seed_generator)
        return ops.where(draws < rates, ops.full_like(ids, PADDING_INDEX), ids)

    def compute_output_spec(self, ids: Any, training: bool = False) -> keras.KerasTensor:
        """Returns the shape and the dtype of `ids`, which dropout does not change."""
        return keras.KerasTensor(ids.shape, dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"rate": self.rate, "is_rate_varied": self.is_rate_varied, "seed": self.seed}
        return {**super().get_config(), **config}
