"""Ids hidden as unknown while training."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_share
from recsys_tf.types import PADDING_INDEX, UNKNOWN_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class IdDropout(keras.layers.Layer):
    """Replaces a share of the ids by the index of an unknown value while training.

    `y = UNKNOWN_INDEX` with probability `rate`, else `x`; a missing id (index 0) stays missing.
    The row of the unknown value is thereby trained as what can be said without the id, and the
    model learns to answer for new users and items from the other features.

    Args:
        rate: Share of the ids that is hidden, from 0 to below 1.
        seed: Seed of the draws; None draws one, from Keras's global seed where it is set.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `rate` is not from 0 to below 1.

    Example:
        >>> import numpy as np
        >>> IdDropout(0.5)(np.array([5, 6, 0])).shape == (3,)
        True

    Source: Volkovs et al., 2017, "DropoutNet: Addressing Cold Start in Recommender Systems",
        https://papers.nips.cc/paper/7081. It drops the vector to zeros; here the id becomes the
        unknown one, whose vector is learned and is what a new id gets in serving.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = check_share("rate", rate)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if self.rate else None

    def call(self, ids: Tensor, training: bool = False) -> Tensor:
        """Hides ids.

        Args:
            ids: Indices, int of any shape.
            training: Whether ids are hidden; otherwise they come back unchanged.

        Returns:
            Int of the shape of `ids`.
        """
        if not training or not self.rate:
            return ids
        draws = keras.random.uniform(ops.shape(ids), dtype="float32", seed=self.seed_generator)
        is_hidden = ops.logical_and(draws < self.rate, ids != PADDING_INDEX)
        return ops.where(is_hidden, ops.full_like(ids, UNKNOWN_INDEX), ids)

    def compute_output_spec(self, ids: Any, training: bool = False) -> keras.KerasTensor:
        """Returns the shape and the dtype of `ids`, which dropout does not change."""
        return keras.KerasTensor(ids.shape, dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
