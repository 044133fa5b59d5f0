"""Ids without a vocabulary: several hash functions into one table of buckets."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from recsys_tf.layers.embedding_table import check_integers
from recsys_tf.layers.shapes import check_positive
from recsys_tf.types import NUM_RESERVED_INDICES, Tensor

# Below 2^15, so that all products and h * _PRIME + h' fit into 31 bits, on every backend.
_PRIME = 32_749
# Every digit is below the prime, or two of them would be one residue.
_DIGIT_BITS = 14
_NUM_DIGITS = 5


@keras.saving.register_keras_serializable(package="recsys_tf")
class HashedIds(keras.layers.Layer):
    """Maps each id to one bucket for each of several hash functions: `y_k = 2 + h_k(x) mod N`.

    A vector of the id is the sum of its buckets' rows, `ops.sum(table(hashed), axis=-2)`, over an
    `EmbeddingTable(num_buckets + 2, D)`. Two ids share a whole vector only where all functions
    collide, in whatever order: of `K` functions into `N` buckets one of `N^K / K!` pairs on
    average over the seeds, with two one of `N^2 / 2` in place of one of `N`. Of a million ids in
    10 million buckets that is 0.01 pairs. Missing (0) and unknown (1) stay what they are.

    `h` is linear in the id's digits of 14 bits modulo the prime 32,749, with factors drawn from
    `seed`: the same on every backend, in every process and in every type that holds the id. Choose
    it where ids are numbers without end; a vocabulary with `min_count` keeps frequent ids apart for
    sure.

    Args:
        num_buckets: Buckets `N`, at most 100 million.
        num_hashes: Hash functions.
        seed: Seed of the functions; a table is only of use under the seed it was trained with.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1, or there are too many buckets.
        TypeError: If the ids are not integers.

    Example:
        >>> rows = HashedIds(1000)(np.array([0, 1, 10**12]))
        >>> rows.shape == (3, 2), np.array(rows)[:2].tolist()
        (True, [[0, 0], [1, 1]])

    Source: Weinberger et al., 2009, "Feature Hashing for Large Scale Multitask Learning",
        https://doi.org/10.1145/1553374.1553516, and for several functions Svenstrup et al., 2017,
        "Hash Embeddings for Efficient Word Representations", https://arxiv.org/abs/1709.03933.
        Without the former's random signs and the latter's learned weights.
    """

    def __init__(self, num_buckets: int, num_hashes: int = 2, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_buckets = check_positive("num_buckets", num_buckets)
        self.num_hashes = check_positive("num_hashes", num_hashes)
        self.seed = int(seed)
        if num_buckets > 100_000_000:
            raise ValueError(
                "`num_buckets` must be at most 100,000,000, above which the hashes' 30 bits fill "
                f"the buckets unevenly, received {num_buckets:,}."
            )
        draws = np.random.default_rng(self.seed)
        # Two residues a function, joined to 30 bits; 5 digits cover 64 bits.
        shape = (_NUM_DIGITS, 2 * self.num_hashes)
        self._factors = draws.integers(1, _PRIME, shape).astype("int32")
        self._offsets = draws.integers(0, _PRIME, 2 * self.num_hashes).astype("int32")

    def call(self, ids: Tensor) -> Tensor:
        """Hashes ids.

        Args:
            ids: Int of any shape and type, negative ones too; 0 is missing and 1 unknown. A uint64
                from 2^63 on counts as the int64 of the same bits.

        Returns:
            int32 of the shape of `ids` and `[num_hashes]`, from 0 to `num_buckets + 1`.
        """
        check_integers("ids", ids)
        ids = ops.cast(ids, "int64")
        # JAX keeps 32 bits unless told otherwise; all digits above them are the sign's.
        last_bit = 31 if keras.backend.standardize_dtype(ids.dtype) == "int32" else 63
        residues = self._offsets
        for place in range(_NUM_DIGITS):
            digit = ops.right_shift(ids, min(place * _DIGIT_BITS, last_bit))
            digit = ops.bitwise_and(digit, 2**_DIGIT_BITS - 1)
            digit = ops.expand_dims(ops.cast(digit, "int32"), -1)
            residues = ops.mod(residues + ops.mod(digit * self._factors[place], _PRIME), _PRIME)
        high, low = residues[..., : self.num_hashes], residues[..., self.num_hashes :]
        buckets = ops.mod(high * _PRIME + low, self.num_buckets) + NUM_RESERVED_INDICES
        kept = ops.expand_dims(ids, -1)
        is_reserved = ops.logical_and(kept >= 0, kept < NUM_RESERVED_INDICES)
        return ops.where(is_reserved, ops.cast(kept, "int32"), buckets)

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        """Returns the shape of `ids` and `[num_hashes]`."""
        check_integers("ids", ids)
        return keras.KerasTensor((*ids.shape, self.num_hashes), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_buckets": self.num_buckets,
            "num_hashes": self.num_hashes,
            "seed": self.seed,
        }
        return {**super().get_config(), **config}
