"""The candidate tower as a table of items, for losses over the whole catalogue."""

from __future__ import annotations

import keras
import tensorflow as tf

from recsys_tf.models.catalogue_features import CatalogueFeatures
from recsys_tf.tasks import ComputedTable
from recsys_tf.types import Tensor


class TowerTable(ComputedTable):
    """The table `t_n = tower(features of item n)` of a retrieval loss.

    A loss that draws rows runs the tower over the different items among them, and the gradients of
    the tower's own tables stay sparse. A loss over all rows runs it over the whole catalogue: each
    step then costs what a batch of `N` rows costs the candidate's side, forward and backward.

    Args:
        tower: The candidate tower.
        catalogue: What it reads of each item.
        training: Whether its dropout is on; equal items of one reading have equal vectors.
        offsets: float `[N]`, what the loss adds to each item's bias, which is the last unit of its
            vector, and serving does not; None adds nothing.
    """

    def __init__(
        self,
        tower: keras.Model,
        catalogue: CatalogueFeatures,
        training: bool = False,
        offsets: Tensor | None = None,
    ) -> None:
        self._tower, self._catalogue, self._training = tower, catalogue, training
        self._offsets = offsets

    @property
    def shape(self) -> tf.TensorShape:
        """`[N, D]`."""
        width = self._tower.output["embedding"].shape[-1]
        return tf.TensorShape([self._catalogue.num_indices, width])

    def rows(self, ids: Tensor) -> Tensor:
        """Returns rows, float of the shape of `ids` and `[D]`."""
        ids = tf.convert_to_tensor(ids)
        items, places = tf.unique(tf.reshape(ids, [-1]))
        vectors = tf.gather(self._with_offsets(items), places)
        shape = tf.concat([tf.shape(ids), [self.shape[1]]], axis=0)
        return tf.ensure_shape(tf.reshape(vectors, shape), [*ids.shape, self.shape[1]])

    def all_rows(self) -> Tensor:
        """Returns the table, float `[N, D]`."""
        return self._with_offsets(tf.range(self._catalogue.num_indices))

    def frozen_rows(self) -> Tensor:
        """Returns the table as it would serve, float `[N, D]`, without a gradient."""
        vectors = self._vectors(tf.range(self._catalogue.num_indices), training=False)
        return tf.stop_gradient(vectors)

    def _with_offsets(self, items: Tensor) -> Tensor:
        vectors = self._vectors(items, self._training)
        if self._offsets is None:
            return vectors
        # In half precision a bias of about log(1 / N) would lose most of its digits.
        vectors = tf.cast(vectors, tf.float32)
        offsets = tf.gather(self._offsets, items)[:, tf.newaxis]
        return tf.concat([vectors[:, :-1], vectors[:, -1:] + offsets], axis=1)

    def _vectors(self, items: Tensor, training: bool) -> Tensor:
        features = self._catalogue(tf.cast(items, tf.int64))
        return self._tower(features, training=training)["embedding"]
