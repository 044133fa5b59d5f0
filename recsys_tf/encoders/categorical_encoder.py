"""Embedding of a value out of a small set, or of a set of such values."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.encoders.id_encoder import IdEncoder
from recsys_tf.layers import MaskedMeanPooling
from recsys_tf.layers.inner_layers import with_layers
from recsys_tf.layers.shapes import check_rank
from recsys_tf.types import PADDING_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class CategoricalEncoder(keras.layers.Layer):
    """Looks a value up, `y = E[x]`, or takes the mean over a set, `y = sum_v E[x_v] / n`.

    A missing value, and an empty set, is the zero vector. So is an unknown value at the start, and
    for good where training meets none.

    Args:
        num_indices: Rows of the table: the known values and the two reserved indices.
        embedding_dim: Width `D` of the vectors.
        is_multivalent: Whether a row holds a set of values, padded with index 0.
        l2_regularization: Factor of the table's squared norm in the loss.
        embedding: What looks vectors up in place of a table of a row an index, see `IdEncoder`.
        min_count: Sights in training below which a value counts as unknown; None passes each.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1, or the input's rank is not 1 (2 for sets).

    Example:
        >>> import numpy as np
        >>> encoder = CategoricalEncoder(10, 4, is_multivalent=True)
        >>> encoder(np.array([[3, 5, 0], [0, 0, 0]])).shape == (2, 4)
        True

    Source: Covington et al., 2016, "Deep Neural Networks for YouTube Recommendations",
        https://doi.org/10.1145/2959100.2959190, section 4.1: multivalent embeddings are averaged.
    """

    def __init__(
        self,
        num_indices: int,
        embedding_dim: int,
        is_multivalent: bool = False,
        l2_regularization: float = 0.0,
        embedding: keras.layers.Layer | None = None,
        min_count: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.is_multivalent = bool(is_multivalent)
        self.table = IdEncoder(
            num_indices,
            embedding_dim,
            l2_regularization=l2_regularization,
            embedding=embedding,
            min_count=min_count,
            is_unknown_zero=True,
            dtype=self.dtype_policy,
            name="table",
        )
        self.pooling = MaskedMeanPooling(dtype=self.dtype_policy, name="pooling")

    def build(self, values_shape: tuple[int | None, ...]) -> None:
        """Makes the table."""
        check_rank("values", values_shape, 2 if self.is_multivalent else 1)
        self.table.build(values_shape)

    def call(self, values: Tensor, training: bool = False) -> Tensor:
        """Looks the vectors up, and averages them where a row holds a set.

        Args:
            values: Indices, int `[B]`, or `[B, V]` for sets of at most `V` values.
            training: Whether values are counted by their gate.

        Returns:
            Float `[B, D]`; zeros where no value is given.
        """
        vectors = self.table(values, training=training)
        if not self.is_multivalent:
            return vectors
        return self.pooling(vectors, ops.not_equal(values, PADDING_INDEX))

    def compute_output_shape(self, values_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (values_shape[0], self.table.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        of_table = self.table.get_config()
        config = {
            "num_indices": self.table.num_indices,
            "embedding_dim": self.table.embedding_dim,
            "is_multivalent": self.is_multivalent,
            "l2_regularization": self.table.l2_regularization,
            **{name: of_table[name] for name in ("embedding", "min_count")},
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CategoricalEncoder:
        """Makes the layer again from `get_config`'s values."""
        return cls(**with_layers(config, "embedding"))
