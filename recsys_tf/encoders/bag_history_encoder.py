"""Vector of a history over a small catalogue, as a bag of items."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.encoders.value_deviations import value_deviations
from recsys_tf.layers import HistoryDropout
from recsys_tf.layers.masked_mean_pooling import mean_weights
from recsys_tf.layers.shapes import check_positive, check_rank
from recsys_tf.layers.table_memory import check_table_memory
from recsys_tf.types import PADDING_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class BagHistoryEncoder(keras.layers.Layer):
    """Reads the items that a user met: `y = n^-p (sum_l W[x_l] + sum_l d_l R[x_l]) + s V`.

    `W` and `R` are tables of the history's own, not the candidate's: what an item says of its
    user need not be what it is. `d_l = v_l - mean(v)` is how much more the user liked the item
    than the others, and `s = [log(1 + n), mean(v), n = 0]`; without values `R` and the mean are
    left out.

    The sums are taken as products of the rows' bags `[B, N]` with the tables: several times
    faster than gathering `[B, L, D]` for up to some ten thousand items, and too much memory for
    many more. Choose `HistoryEncoder` there, and where single events should be told apart.

    Args:
        num_indices: Number `N` of item indices with the reserved ones.
        embedding_dim: Width `D` of the vector.
        has_values: Whether the history comes with a number for each event.
        history_dropout: Mean share of the events that is dropped while training; each row draws
            its own share, see `HistoryDropout`.
        empty_history_share: Share of the rows that lose their whole history while training.
        length_power: The power `p`: 0.5 lets a longer history speak louder, 1 is the mean.
        **kwargs: Arguments of every Keras layer.

    Raises:
        MemoryError: If the tables are larger than the free memory.
        ValueError: If a size is below 1, or values are given and not expected or the other way
            round.

    Example:
        >>> import numpy as np
        >>> BagHistoryEncoder(10, 4)(np.array([[3, 5, 0], [0, 0, 0]])).shape == (2, 4)
        True

    Source: Liang et al., 2018, "Variational Autoencoders for Collaborative Filtering",
        https://arxiv.org/abs/1802.05814, for the bag and its dropout (the linear encoder of
        Mult-DAE); Koren, 2008, https://doi.org/10.1145/1401890.1401944, equation 13 (Asymmetric
        SVD), for the two sums.
    """

    def __init__(
        self,
        num_indices: int,
        embedding_dim: int,
        has_values: bool = False,
        history_dropout: float = 0.0,
        empty_history_share: float = 0.0,
        length_power: float = 0.5,
        **kwargs: Any,
    ) -> None:
        # bfloat16 would round the values whose differences are taken: 4,097 and 4,099 are equal.
        super().__init__(autocast=False, **kwargs)
        self.num_indices = check_positive("num_indices", num_indices)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        self.has_values = bool(has_values)
        self.length_power = float(length_power)
        self.dropout = HistoryDropout(
            history_dropout, is_rate_varied=True, empty_share=empty_history_share, name="dropout"
        )

    def build(
        self, ids_shape: tuple[int | None, ...], values_shape: tuple[int | None, ...] | None = None
    ) -> None:
        """Makes the tables."""
        check_rank("ids", ids_shape, 2)
        if self.has_values != (values_shape is not None):
            raise ValueError(
                "`values` must be given exactly where `has_values` is true, received "
                f"`has_values={self.has_values}` and {'no ' if values_shape is None else ''}values."
            )
        table = self.num_indices, self.embedding_dim
        names = ("items", "valued") if self.has_values else ("items",)
        check_table_memory({f"{self.name}/{each}": table for each in names})
        self.items = self.add_weight(name="items", shape=table, initializer="glorot_uniform")
        if self.has_values:
            self.valued = self.add_weight(name="valued", shape=table, initializer="glorot_uniform")
        self.statistics = self.add_weight(
            name="statistics_kernel",
            shape=(2 + self.has_values, self.embedding_dim),
            initializer="zeros",
        )

    def call(self, ids: Tensor, values: Tensor | None = None, training: bool = False) -> Tensor:
        """Encodes each row's history.

        Args:
            ids: Item indices, int `[B, L]`; 0 is padding, at any place.
            values: Numbers of the events, float `[B, L]`; 0 where an event has none.
            training: Whether events are dropped.

        Returns:
            Float `[B, D]`; for an empty history the vector of `n = 0`.
        """
        ids = self.dropout(ids, training=training)
        is_valid = ops.not_equal(ids, PADDING_INDEX)
        bags = self._bags(ids, mean_weights(is_valid, self.length_power))
        vector = ops.matmul(bags, self._cast(self.items))
        count = ops.sum(ops.cast(is_valid, "float32"), axis=1, keepdims=True)
        known = [ops.log1p(count), ops.cast(ops.equal(count, 0), "float32")]
        if values is not None:
            mean, deviations = value_deviations(values, is_valid, self.length_power)
            vector = vector + ops.matmul(self._bags(ids, deviations), self._cast(self.valued))
            known.append(mean)
        known = ops.cast(ops.concatenate(known, axis=1), vector.dtype)
        return vector + ops.matmul(known, self._cast(self.statistics))

    def compute_output_shape(
        self, ids_shape: tuple[int | None, ...], values_shape: tuple[int | None, ...] | None = None
    ) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (ids_shape[0], self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_indices": self.num_indices,
            "embedding_dim": self.embedding_dim,
            "has_values": self.has_values,
            "history_dropout": self.dropout.rate,
            "empty_history_share": self.dropout.empty_share,
            "length_power": self.length_power,
        }
        return {**super().get_config(), **config}

    def _bags(self, ids: Tensor, weights: Tensor) -> Tensor:
        """Sums the events' weights by row and item, float `[B, N]`."""
        num_rows, length = ops.shape(ids)[0], ops.shape(ids)[1]
        rows = ops.repeat(ops.arange(num_rows, dtype="int32"), length)
        cells = ops.stack([rows, ops.cast(ops.reshape(ids, (-1,)), "int32")], axis=1)
        bags = ops.scatter(cells, ops.reshape(weights, (-1,)), (num_rows, self.num_indices))
        return ops.cast(bags, self.compute_dtype)

    def _cast(self, table: keras.Variable) -> Tensor:
        return ops.cast(table, self.compute_dtype)
