"""Embeddings of several categories of a row, looked up together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from recsys_tf.encoders.zero_unknown import ZeroUnknown
from recsys_tf.layers.embedding_table import gather_rows
from recsys_tf.layers.shapes import check_positive, check_rank
from recsys_tf.layers.table_memory import check_table_memory
from recsys_tf.types import PADDING_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class JoinedCategories(keras.layers.Layer):
    """Looks one value of each of `F` features up in one go: `y_f = E_f[x_f]`.

    The tables `E_f` lie one below the other in one variable, and a missing value is the zero
    vector, as an unknown one is at the start. Numbers, first values and gradients are those of a
    `CategoricalEncoder` a feature; but a step costs one look-up, and one update of one table, in
    place of `F`. Choose it for tables of few rows, whose operations cost more to start than to run.

    Args:
        num_indices: Rows of each table, by the name of its feature, in the order of the features:
            the known values and the two reserved indices.
        embedding_dim: Width `D` of the vectors.
        l2_regularization: Factor of the tables' squared norm in the loss.
        initial_stddev: Standard deviation of the vectors' first values, see `IdEncoder`.
        **kwargs: Arguments of every Keras layer.

    Raises:
        MemoryError: If the tables are larger than the free memory.
        ValueError: If there is no feature, a size is below 1, or the inputs are of other features
            or not of rank 1.

    Example:
        >>> import numpy as np
        >>> layer = JoinedCategories({"genre": 5, "country": 9}, 4)
        >>> layer({"genre": np.array([3, 0]), "country": np.array([8, 2])}).shape == (2, 2, 4)
        True

    Source: Covington et al., 2016, "Deep Neural Networks for YouTube Recommendations",
        https://doi.org/10.1145/2959100.2959190, section 4.1: an embedding a feature.
    """

    def __init__(
        self,
        num_indices: Mapping[str, int],
        embedding_dim: int,
        l2_regularization: float = 0.0,
        initial_stddev: float = 0.05,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not num_indices:
            raise ValueError("`num_indices` must name at least one feature, received none.")
        self.num_indices = {
            name: check_positive(f"num_indices[{name!r}]", int(count))
            for name, count in num_indices.items()
        }
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        self.l2_regularization = float(l2_regularization)
        self.initial_stddev = float(initial_stddev)
        # One a table, each with a seed of its own: the draws of separate encoders.
        self._draws = [
            ZeroUnknown(keras.initializers.RandomNormal(stddev=self.initial_stddev))
            for _ in self.num_indices
        ]
        self._counts = np.array(list(self.num_indices.values()), "int64")
        self._firsts = np.cumsum(self._counts) - self._counts

    def build(self, values_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the tables."""
        if sorted(values_shape) != sorted(self.num_indices):
            raise ValueError(
                f"`values` must hold the features {sorted(self.num_indices)}, "
                f"received {sorted(values_shape)}."
            )
        for name, shape in values_shape.items():
            check_rank(f"values[{name!r}]", shape, 1)
        size = int(self._counts.sum()), self.embedding_dim
        check_table_memory({self.name: size})

        def draw(_: Any, dtype: Any = None) -> Tensor:
            sizes = [(int(count), self.embedding_dim) for count in self._counts]
            pairs = zip(self._draws, sizes, strict=True)
            return ops.concatenate([each(size, dtype=dtype) for each, size in pairs], axis=0)

        regularizer = keras.regularizers.L2(self.l2_regularization)
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=size,
            initializer=draw,
            regularizer=regularizer if self.l2_regularization else None,
            # The rows are cast, and not the tables before them.
            autocast=False,
        )
        self.embeddings.is_table = True

    def call(self, values: Mapping[str, Tensor]) -> Tensor:
        """Looks the vectors up.

        Args:
            values: Indices by the name of the feature, int `[B]`.

        Returns:
            Float `[B, F, D]`, the features in the order of `num_indices`; zeros where no value is
            given.
        """
        indices = ops.stack([ops.cast(values[name], "int64") for name in self.num_indices], axis=1)
        is_known = ops.logical_and(indices >= 0, indices < self._counts)
        # Past the end of all tables, where the look-up fails: the next feature's rows are no answer
        # to an index out of range.
        rows = ops.where(is_known, indices + self._firsts, int(self._counts.sum()))
        vectors = ops.cast(gather_rows(self.embeddings, rows), self.compute_dtype)
        is_given = ops.expand_dims(ops.not_equal(indices, PADDING_INDEX), -1)
        return vectors * ops.cast(is_given, vectors.dtype)

    def compute_output_shape(
        self, values_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Returns `[B, F, D]`."""
        shape = values_shape[next(iter(self.num_indices))]
        return (shape[0], len(self.num_indices), self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_indices": dict(self.num_indices),
            "embedding_dim": self.embedding_dim,
            "l2_regularization": self.l2_regularization,
            "initial_stddev": self.initial_stddev,
        }
        return {**super().get_config(), **config}
