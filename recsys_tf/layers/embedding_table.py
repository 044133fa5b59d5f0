"""A table of vectors that is read by the rows of a batch alone."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.table_memory import check_table_memory
from recsys_tf.types import Tensor

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def gather_rows(table: keras.Variable, ids: Tensor) -> Tensor:
    """Reads rows of a table, `y = E[x]`, and no other of its rows.

    `keras.ops.take` first reads the whole variable. TensorFlow then copies it in every step, once
    an optimiser has written single rows of it. Here the rows are gathered on TensorFlow's variable
    itself, and its gradient is `tf.IndexedSlices`; on other backends this is `take`.

    Args:
        table: float `[N, D]`. In mixed precision it must be made with `autocast=False`, or Keras
            casts the whole of it.
        ids: Row numbers, int of any shape.

    Returns:
        Float of the shape of `ids` and `[D]`, in the type of the table.

    Raises:
        TypeError: If `ids` are not integers.

    Example:
        >>> table = keras.Variable([[0.0], [1.0], [2.0]])
        >>> [float(each[0]) for each in gather_rows(table, ops.convert_to_tensor([2, 1, 2]))]
        [2.0, 1.0, 2.0]
    """
    check_integers("ids", ids)
    if keras.backend.standardize_dtype(ids.dtype) not in ("int32", "int64"):
        ids = ops.cast(ids, "int64")
    rows = table.value
    # In a stateless scope, and where it is cast, the value is a tensor.
    if hasattr(rows, "sparse_read"):
        return rows.sparse_read(ids)
    return ops.take(rows, ids, axis=0)


def check_integers(argument: str, ids: Any) -> None:
    """Checks that ids are integers.

    Raises:
        TypeError: If they are of another type.
    """
    dtype = keras.backend.standardize_dtype(ids.dtype)
    if dtype not in _INTEGERS:
        raise TypeError(
            f"`{argument}` must be integers, the row numbers of a table, received {dtype}. Ids of "
            "another type are turned into row numbers by the preprocessing; a `keras.Input` needs "
            '`dtype="int64"`.'
        )


@keras.saving.register_keras_serializable(package="recsys_tf")
class EmbeddingTable(keras.layers.Embedding):
    """Looks rows of a table up, `y = E[x]`, at a cost that follows the batch and not the table.

    A `keras.layers.Embedding`, with its arguments and its saved weights, that gathers on
    TensorFlow's variable; see `gather_rows`. An optimiser that takes tables apart knows the
    variable by its mark `is_table`, see `recsys_tf.optimizers.TableOptimizer`.

    Args:
        input_dim: Rows `N` of the table.
        output_dim: Width `D` of the vectors.
        embeddings_initializer: What the rows start at.
        embeddings_regularizer: What is added to the loss for them. It reads the whole table in
            every step; leave it out for large tables.
        **kwargs: Further arguments of `keras.layers.Embedding`.

    Raises:
        MemoryError: If the table is larger than the free memory.
        TypeError: If the ids are not integers.

    Example:
        >>> import numpy as np
        >>> EmbeddingTable(1000, 4)(np.array([[3, 5], [3, 0]])).shape == (2, 2, 4)
        True
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            **kwargs,
        )

    def build(self, ids_shape: tuple[int | None, ...] | None = None) -> None:
        """Makes the table."""
        if self.built:
            return
        check_table_memory({self.name: (self.input_dim, self.output_dim)})
        super().build(ids_shape)
        self._embeddings.is_table = True

    def add_weight(self, *args: Any, **kwargs: Any) -> keras.Variable:
        """Makes a weight that mixed precision does not cast before its rows are read."""
        return super().add_weight(*args, **{"autocast": False, **kwargs})

    def call(self, ids: Tensor) -> Tensor:
        """Looks the rows up.

        Args:
            ids: Row numbers below `input_dim`, int of any shape.

        Returns:
            Float of the shape of `ids` and `[D]`.
        """
        if self.lora_enabled:
            return super().call(ids)
        # The rows are cast, and not the table before them.
        return ops.cast(gather_rows(self.embeddings, ids), self.compute_dtype)

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        """Returns the shape of `ids` and `[D]`."""
        check_integers("ids", ids)
        return super().compute_output_spec(ids)
