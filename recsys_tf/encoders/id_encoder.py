"""Embedding of an identifier."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.encoders.zero_unknown import ZeroUnknown
from recsys_tf.layers import EmbeddingTable, FrequencyGate, IdDropout
from recsys_tf.layers.inner_layers import with_layers
from recsys_tf.layers.shapes import check_positive
from recsys_tf.types import PADDING_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class IdEncoder(keras.layers.Layer):
    """Looks an index up in a table of learned vectors: `y = E[x]`, and 0 where `x` is missing.

    The one table of an id: `HistoryEncoder` reads the item's through the same layer, so that an
    item in a history and the item as a candidate share one vector.

    Args:
        num_indices: Rows of the table: the known values and the two reserved indices.
        embedding_dim: Width `D` of the vectors.
        id_dropout: Share of the ids that is hidden as unknown while training, see `IdDropout`.
        l2_regularization: Factor of the table's squared norm in the loss. It reads the whole
            table in every step; leave it at 0 for large tables.
        initial_stddev: Standard deviation of the vectors' first values. Small, so that the dot
            product of two fresh vectors is near 0.
        embedding: What looks vectors up in place of a table of a row an index: a layer out of
            `ID_TABLES`, of the same width, with first values of its own. None makes the table.
        min_count: Sights in training below which an id counts as unknown, see `FrequencyGate`;
            events of a history are none. None passes every id.
        is_unknown_zero: Whether the unknown value starts at the zero vector, see `ZeroUnknown`;
            for values that training does not hide.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1, `id_dropout` is not from 0 to below 1, or `embedding` is
            of another width or given with a regularisation.

    Example:
        >>> import numpy as np
        >>> vectors = IdEncoder(10, 4)(np.array([3, 0]))
        >>> vectors.shape == (2, 4), [abs(float(each)) for each in vectors[1]]
        (True, [0.0, 0.0, 0.0, 0.0])

    Source: Koren et al., 2009, "Matrix Factorization Techniques for Recommender Systems",
        https://doi.org/10.1109/MC.2009.263.
    """

    def __init__(
        self,
        num_indices: int,
        embedding_dim: int,
        id_dropout: float = 0.0,
        l2_regularization: float = 0.0,
        initial_stddev: float = 0.05,
        embedding: keras.layers.Layer | None = None,
        min_count: int | None = None,
        is_unknown_zero: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_indices = check_positive("num_indices", num_indices)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        self.l2_regularization = float(l2_regularization)
        self.initial_stddev = float(initial_stddev)
        self.is_unknown_zero = bool(is_unknown_zero)
        self.gate = None
        if min_count is not None:
            self.gate = FrequencyGate(num_indices, min_count, name="gate")
        self.id_dropout = IdDropout(id_dropout, name="id_dropout")
        self.has_row_an_index = embedding is None
        self.embedding = self._full_table() if embedding is None else embedding
        if embedding is not None:
            self._check_embedding()

    @property
    def table(self) -> keras.Variable:
        """The vectors by index, `[num_indices, D]`, where each has a row."""
        return self.embedding.embeddings

    def build(self, ids_shape: tuple[int | None, ...]) -> None:
        """Makes the table, once: a shared encoder is called with other shapes as well."""
        for part in (self.gate, self.embedding):
            if part is not None and not part.built:
                part.build(ids_shape)

    def call(self, ids: Tensor, training: bool = False) -> Tensor:
        """Looks the vectors up.

        Args:
            ids: Indices below `num_indices`, int of any shape, `[B]` or `[B, L]`.
            training: Whether ids are counted, and hidden by `id_dropout`.

        Returns:
            Float of the shape of `ids` and `[D]`; zeros at padding (index 0).
        """
        # Told even where it is False: Keras would hand on that of the layer around this one.
        if self.gate is not None:
            ids = self.gate(ids, training=training)
        ids = self.id_dropout(ids, training=training)
        is_given = ops.expand_dims(ops.not_equal(ids, PADDING_INDEX), -1)
        vectors = self.embedding(ids)
        return vectors * ops.cast(is_given, vectors.dtype)

    def compute_output_shape(self, ids_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of `ids` and `[D]`."""
        return (*ids_shape, self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_indices": self.num_indices,
            "embedding_dim": self.embedding_dim,
            "id_dropout": self.id_dropout.rate,
            "l2_regularization": self.l2_regularization,
            "initial_stddev": self.initial_stddev,
            "embedding": None,
            "min_count": None if self.gate is None else self.gate.min_count,
            "is_unknown_zero": self.is_unknown_zero,
        }
        if not self.has_row_an_index:
            config["embedding"] = keras.saving.serialize_keras_object(self.embedding)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> IdEncoder:
        """Makes the layer again from `get_config`'s values."""
        return cls(**with_layers(config, "embedding"))

    def _full_table(self) -> EmbeddingTable:
        draw = keras.initializers.RandomNormal(stddev=self.initial_stddev)
        return EmbeddingTable(
            self.num_indices,
            self.embedding_dim,
            embeddings_initializer=ZeroUnknown(draw) if self.is_unknown_zero else draw,
            embeddings_regularizer=(
                keras.regularizers.L2(self.l2_regularization) if self.l2_regularization else None
            ),
            dtype=self.dtype_policy,
            name="embedding",
        )

    def _check_embedding(self) -> None:
        width = self.embedding.compute_output_shape((None,))[-1]
        if width != self.embedding_dim:
            raise ValueError(
                f"`embedding` must give vectors of the width `embedding_dim` "
                f"({self.embedding_dim}), received {width}."
            )
        if self.l2_regularization:
            raise ValueError(
                "`l2_regularization` must be 0 where `embedding` is given, whose rows are of many "
                f"ids and no one's vector, received {self.l2_regularization}."
            )
