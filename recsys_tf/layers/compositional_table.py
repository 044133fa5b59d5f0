"""A vector for each of many ids, composed of rows of two small tables."""

from __future__ import annotations

import math
from typing import Any, Literal

import keras
from keras import ops

from recsys_tf.layers.embedding_table import EmbeddingTable, check_integers
from recsys_tf.layers.shapes import check_positive
from recsys_tf.types import PADDING_INDEX, Tensor

Operation = Literal["multiply", "add"]


@keras.saving.register_keras_serializable(package="recsys_tf")
class CompositionalTable(keras.layers.Layer):
    """Composes the vector of an id of a quotient's and a remainder's: `y = Q[x // m] * R[x % m]`.

    Every id has a pair of rows of its own, so that no two share a vector, though two tables of
    about `sqrt(N)` rows stand for one of `N`: 1,000 and 1,001 rows for a million ids. Ids whose
    quotient is equal share what is learned. Choose it where the table does not fit and all ids
    matter; where few ids are frequent, `HashedTable` or `min_count` lose less.

    Args:
        num_indices: Ids `N`, the reserved indices included.
        embedding_dim: Width `D` of the vectors.
        num_remainders: Rows `m` of the remainders' table; None takes `sqrt(N)`, the fewest rows in
            all. More of them, up to `N`, share less. Give it where the ids will grow, see
            `grow_tables`.
        operation: `multiply` or `add`. The paper found products better.
        initial_stddev: Standard deviation of the vectors' first values. A product's remainders
            start around 1, so that its vectors start of that size too.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1 or the operation is not known.
        TypeError: If the ids are not integers.

    Example:
        >>> import numpy as np
        >>> table = CompositionalTable(1_000_000, 8)
        >>> table(np.array([[7, 0]])).shape == (1, 2, 8), table.count_params()
        (True, 16000)

    Source: Shi et al., 2020, "Compositional Embeddings Using Complementary Partitions for
        Memory-Efficient Recommendation Systems", https://doi.org/10.1145/3394486.3403059,
        section 2, the quotient-remainder trick. Missing ids (index 0) are zeros here.
    """

    def __init__(
        self,
        num_indices: int,
        embedding_dim: int,
        num_remainders: int | None = None,
        operation: Operation = "multiply",
        initial_stddev: float = 0.05,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_indices = check_positive("num_indices", num_indices)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        if num_remainders is None:
            num_remainders = math.isqrt(num_indices - 1) + 1
        self.num_remainders = check_positive("num_remainders", num_remainders)
        if operation not in ("multiply", "add"):
            raise ValueError(f"`operation` must be 'multiply' or 'add', received {operation!r}.")
        self.operation = operation
        self.initial_stddev = float(initial_stddev)
        centre = 1.0 if operation == "multiply" else 0.0
        num_quotients = (num_indices - 1) // self.num_remainders + 1
        self.quotients = self._table(num_quotients, 0.0, "quotients")
        self.remainders = self._table(self.num_remainders, centre, "remainders")

    @property
    def id_assignment(self) -> tuple[Any, ...]:
        """What tells the rows of an id: tables that agree in it give an id the same ones."""
        return (self.num_remainders, self.operation)

    def build(self, ids_shape: tuple[int | None, ...]) -> None:
        """Makes the two tables."""
        self.quotients.build(ids_shape)
        self.remainders.build(ids_shape)

    def call(self, ids: Tensor) -> Tensor:
        """Composes the vectors.

        Args:
            ids: Indices below `num_indices`, int of any shape.

        Returns:
            Float of the shape of `ids` and `[D]`; zeros at padding (index 0).
        """
        check_integers("ids", ids)
        first = self.quotients(ops.floor_divide(ids, self.num_remainders))
        second = self.remainders(ops.mod(ids, self.num_remainders))
        vectors = first * second if self.operation == "multiply" else first + second
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
            "num_remainders": self.num_remainders,
            "operation": self.operation,
            "initial_stddev": self.initial_stddev,
        }
        return {**super().get_config(), **config}

    def _table(self, num_rows: int, centre: float, name: str) -> EmbeddingTable:
        return EmbeddingTable(
            num_rows,
            self.embedding_dim,
            embeddings_initializer=keras.initializers.RandomNormal(centre, self.initial_stddev),
            dtype=self.dtype_policy,
            name=name,
        )
