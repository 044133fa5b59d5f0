"""A vector for each of many ids, summed of rows that several hash functions choose."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.embedding_table import EmbeddingTable
from recsys_tf.layers.hashed_ids import HashedIds
from recsys_tf.layers.shapes import check_positive
from recsys_tf.types import NUM_RESERVED_INDICES, PADDING_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class HashedTable(keras.layers.Layer):
    """Sums the rows that hash functions choose for an id: `y = sum_k E[h_k(x)]`, see `HashedIds`.

    A table of the buckets stands for one of all ids. Ids that share one bucket are told apart by
    the others; the more ids fall into each, the more noise they are to one another, and the more
    the frequent among them are heard. Choose it where few ids are frequent;
    `CompositionalTable` shares rows by the order of the ids, in two tables of fixed sizes.

    Args:
        num_indices: Ids `N`, the reserved indices included.
        embedding_dim: Width `D` of the vectors.
        num_buckets: Rows but for those of the two reserved indices, at most 100 million; None
            takes a tenth of the ids. Give it where the ids will grow, see `grow_tables`.
        num_hashes: Hash functions `K`.
        seed: Seed of the functions.
        initial_stddev: Standard deviation of the vectors' first values; that of the rows is
            `sqrt(K)` times smaller.
        **kwargs: Arguments of every Keras layer.

    Raises:
        MemoryError: If the table is larger than the free memory.
        ValueError: If a size is below 1, or there are too many buckets.
        TypeError: If the ids are not integers.

    Example:
        >>> import numpy as np
        >>> table = HashedTable(1_000_000, 8, num_buckets=1000)
        >>> table(np.array([[7, 0]])).shape == (1, 2, 8), table.count_params()
        (True, 8016)

    Source: Svenstrup et al., 2017, "Hash Embeddings for Efficient Word Representations",
        https://arxiv.org/abs/1709.03933, section 2, without the weights that it learns of each id.
        Missing ids (index 0) are zeros here.
    """

    def __init__(
        self,
        num_indices: int,
        embedding_dim: int,
        num_buckets: int | None = None,
        num_hashes: int = 2,
        seed: int = 0,
        initial_stddev: float = 0.05,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_indices = check_positive("num_indices", num_indices)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        self.initial_stddev = float(initial_stddev)
        self.hashing = HashedIds(
            -(-num_indices // 10) if num_buckets is None else num_buckets,
            num_hashes,
            seed,
            name="hashing",
        )
        stddev = self.initial_stddev / math.sqrt(self.hashing.num_hashes)
        self.buckets = EmbeddingTable(
            self.hashing.num_buckets + NUM_RESERVED_INDICES,
            embedding_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=stddev),
            dtype=self.dtype_policy,
            name="buckets",
        )

    @property
    def id_assignment(self) -> tuple[Any, ...]:
        """What tells the rows of an id: tables that agree in it give an id the same ones."""
        return (self.hashing.num_buckets, self.hashing.num_hashes, self.hashing.seed)

    def build(self, ids_shape: tuple[int | None, ...]) -> None:
        """Makes the table."""
        self.buckets.build(ids_shape)

    def call(self, ids: Tensor) -> Tensor:
        """Sums the rows.

        Args:
            ids: Indices, int of any shape.

        Returns:
            Float of the shape of `ids` and `[D]`; zeros at padding (index 0).
        """
        vectors = ops.sum(self.buckets(self.hashing(ids)), axis=-2)
        is_given = ops.expand_dims(ops.not_equal(ids, PADDING_INDEX), -1)
        return vectors * ops.cast(is_given, vectors.dtype)

    def compute_output_shape(self, ids_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of `ids` and `[D]`."""
        return (*ids_shape, self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_indices": self.num_indices,
            "embedding_dim": self.embedding_dim,
            "num_buckets": self.hashing.num_buckets,
            "num_hashes": self.hashing.num_hashes,
            "seed": self.hashing.seed,
            "initial_stddev": self.initial_stddev,
        }
        return {**super().get_config(), **config}
