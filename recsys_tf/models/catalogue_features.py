"""What the candidate tower reads of every item, for a loss over the whole catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from recsys_tf.layers.embedding_table import gather_rows
from recsys_tf.models.towers import InputShape
from recsys_tf.types import NUM_RESERVED_INDICES, Array, IntArray, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class CatalogueFeatures(keras.layers.Layer):
    """Keeps the transformed features of every item, a row an index: `[N, ...]` by name.

    They are not trained, but saved with the weights, so that a loaded model can be trained on. An
    index without an item has padding and zeros: what is known of it is its id. Items that share
    the index of the unknown are left out.

    Args:
        num_indices: Rows, the item's indices with the reserved ones.
        item_id: Name of the item's id, whose column is the row's number and not kept.
        inputs: Name, shape of a row, and dtype of each tensor, `item_id`'s among them or not.
        **kwargs: Arguments of every Keras layer.

    Example:
        >>> inputs = [("item_id", (), "int64"), ("price", (2,), "float32")]
        >>> catalogue = CatalogueFeatures(4, "item_id", inputs)
        >>> columns = {"item_id": np.array([3, 1]), "price": np.array([[5.0, 1.0], [7.0, 1.0]])}
        >>> catalogue.set_columns(columns)
        >>> {name: np.array(each).tolist() for name, each in catalogue(np.array([2, 3])).items()}
        {'price': [[0.0, 0.0], [5.0, 1.0]], 'item_id': [2, 3]}
    """

    def __init__(
        self, num_indices: int, item_id: str, inputs: Sequence[InputShape], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_indices = num_indices
        self.item_id = item_id
        self.inputs_of_row = [(name, tuple(shape), dtype) for name, shape, dtype in inputs]
        self.columns = {
            name: self.add_weight(
                name=name,
                shape=(num_indices, *shape),
                dtype=dtype,
                initializer="zeros",
                trainable=False,
                # Mixed precision must not cast the whole of it before a few rows are read.
                autocast=False,
            )
            for name, shape, dtype in self.inputs_of_row
            if name != item_id
        }
        for column in self.columns.values():
            column.is_given = True  # Of the items of this very model: `grow_tables` leaves it.
        self.built = True

    def set_columns(self, columns: Mapping[str, Array]) -> None:
        """Sets the features.

        Args:
            columns: What `transform_catalogue` returns: `[C, ...]` by name, a row an item, among
                them the item's index.

        Raises:
            ValueError: If a feature is missing or of another shape, or an index is out of range
                or stands twice.
        """
        missing = sorted({self.item_id, *self.columns} - set(columns))
        if missing:
            raise ValueError(
                f"`catalogue` must hold every feature of the item, received none named "
                f"{', '.join(map(repr, missing))}. `transform_catalogue` makes them all."
            )
        indices = self._checked(np.asarray(columns[self.item_id]))
        is_known = indices >= NUM_RESERVED_INDICES
        for name, column in self.columns.items():
            values = np.asarray(columns[name])
            if values.shape != (len(indices), *column.shape[1:]):
                raise ValueError(
                    f"`catalogue` must hold {name!r} in the shape "
                    f"{(len(indices), *column.shape[1:])}, received {values.shape}."
                )
            rows = np.zeros(column.shape, values.dtype)
            rows[indices[is_known]] = values[is_known]
            column.assign(rows)

    def _checked(self, indices: IntArray) -> IntArray:
        known = indices[indices >= NUM_RESERVED_INDICES]
        if indices.ndim != 1 or np.any((indices < 0) | (indices >= self.num_indices)):
            raise ValueError(
                f"`catalogue` must hold {self.item_id!r} as indices [C] from 0 to below "
                f"{self.num_indices}, received shape {indices.shape}, from "
                f"{indices.min(initial=0)} to {indices.max(initial=0)}."
            )
        values, counts = np.unique(known, return_counts=True)
        if np.any(counts > 1):
            raise ValueError(
                f"`catalogue` must hold each item once, received {counts.max()} rows of the index "
                f"{values[counts.argmax()]} of {self.item_id!r}."
            )
        return indices

    def call(self, ids: Tensor) -> dict[str, Tensor]:
        """Reads the features of items.

        Args:
            ids: Item indices, int `[K]`.

        Returns:
            What the candidate tower reads, `[K, ...]` by name.
        """
        columns = {name: gather_rows(column, ids) for name, column in self.columns.items()}
        return {**columns, self.item_id: ids}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_indices": self.num_indices,
            "item_id": self.item_id,
            "inputs": list(self.inputs_of_row),
        }
        return {**super().get_config(), **config}
