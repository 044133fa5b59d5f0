"""Where a table of categories starts."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.types import UNKNOWN_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class ZeroUnknown(keras.initializers.Initializer):
    """Draws the rows of a table, but starts the row of the unknown value at 0.

    Where training meets no unknown value, its row stays as it started, and a value that is new in
    service gets it: zeros say nothing, as of a missing value, where a random vector would say
    anything.

    Args:
        draw: Gives the other rows.

    Example:
        >>> table = ZeroUnknown(keras.initializers.Ones())((3, 1))
        >>> [float(row[0]) for row in table]
        [1.0, 0.0, 1.0]
    """

    def __init__(self, draw: Any) -> None:
        self.draw = keras.initializers.get(draw)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """Returns the values of a table `[N, D]`."""
        rows = self.draw(shape, dtype=dtype)
        is_unknown = ops.expand_dims(ops.equal(ops.arange(shape[0]), UNKNOWN_INDEX), 1)
        return ops.where(is_unknown, ops.zeros_like(rows), rows)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"draw": keras.initializers.serialize(self.draw)}
