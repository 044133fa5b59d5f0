"""Ids that count as unknown until training has met them often enough."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.embedding_table import check_integers, gather_rows
from recsys_tf.layers.shapes import check_positive
from recsys_tf.types import NUM_RESERVED_INDICES, UNKNOWN_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class FrequencyGate(keras.layers.Layer):
    """Passes an id once training has met it `min_count` times; before, it is the unknown one.

    `y = x` where `count(x) >= min_count`, else `UNKNOWN_INDEX`. The counts grow while training
    alone, by the whole batch before it is passed on and in each epoch anew, and are saved with the
    weights. A row of a table is so not trained on the two or three sights that only overfit it, and
    rare ids train the unknown's. Choose it where rows stream in; where the training rows are all
    there, the preprocessing's `min_count` does the same before training and saves the rows.

    Args:
        num_indices: Ids, the reserved indices included.
        min_count: Sights from which an id is passed.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1.
        TypeError: If the ids are not integers.

    Example:
        >>> import numpy as np
        >>> gate = FrequencyGate(10, min_count=2)
        >>> [np.array(gate(np.array([7, 5, 7]), training=True)).tolist() for _ in range(2)]
        [[7, 1, 7], [7, 5, 7]]

    Source: counting filters in Zhao et al., 2020, "Distributed Hierarchical GPU Parameter Server
        for Massive Scale Deep Learning Ads Systems", https://arxiv.org/abs/2003.05622, and the
        feature admission of Liu et al., 2022, "Monolith: Real Time Recommendation System With
        Collisionless Embedding Table", https://arxiv.org/abs/2209.07663, section 2.2.2.
    """

    def __init__(self, num_indices: int, min_count: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_indices = check_positive("num_indices", num_indices)
        self.min_count = check_positive("min_count", min_count)

    def build(self, ids_shape: tuple[int | None, ...]) -> None:
        """Makes the counts."""
        self.counts = self.add_weight(
            name="counts",
            shape=(self.num_indices,),
            initializer="zeros",
            dtype="int32",
            trainable=False,
        )

    def call(self, ids: Tensor, training: bool = False) -> Tensor:
        """Passes ids, or hides them as unknown.

        Args:
            ids: Indices below `num_indices`, int of any shape.
            training: Whether the ids are counted.

        Returns:
            Int of the shape and type of `ids`; missing (0) and unknown (1) as they came.
        """
        check_integers("ids", ids)
        if training:
            self._count(ops.reshape(ids, [-1]))
        is_rare = gather_rows(self.counts, ids) < self.min_count
        is_hidden = ops.logical_and(is_rare, ids >= NUM_RESERVED_INDICES)
        return ops.where(is_hidden, ops.full_like(ids, UNKNOWN_INDEX), ids)

    def compute_output_spec(self, ids: Any, training: bool = False) -> keras.KerasTensor:
        """Returns the shape and the dtype of `ids`."""
        check_integers("ids", ids)
        return keras.KerasTensor(ids.shape, dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"num_indices": self.num_indices, "min_count": self.min_count}
        return {**super().get_config(), **config}

    def _count(self, ids: Tensor) -> None:
        ones = ops.ones_like(ids, dtype="int32")
        counts = self.counts.value
        # TensorFlow's variable adds to the batch's places alone.
        if hasattr(counts, "scatter_nd_add"):
            counts.scatter_nd_add(ops.expand_dims(ids, -1), ones)
        else:
            self.counts.assign_add(ops.segment_sum(ones, ids, num_segments=self.num_indices))
