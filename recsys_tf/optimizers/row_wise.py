"""What the row-wise optimisers share: which rows a step reads and writes."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from recsys_tf.optimizers.clipping import clipped_by_global_norm, clipped_rows
from recsys_tf.optimizers.huge_pages import use_huge_pages
from recsys_tf.types import Tensor


class RowWiseStep:
    """Steps only the rows of a table that its gradient holds.

    The gradient of a look-up is `tf.IndexedSlices`. The slices of a row that stands several times
    in the batch are summed first, so that clipping and step see the gradient that a dense optimiser
    would see. Of the variable and of its slots the batch's rows are then read, computed and
    written: the cost follows the batch and not the table. Dense gradients take the dense step.
    """

    has_shrinking_steps = False
    """Whether a row's steps shrink with what it has summed, so that the rate need not fall."""

    _sparse: frozenset[Any] = frozenset()
    """Keys of the variables whose gradient in this step is sparse."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[misc]
        for argument in ("use_ema", "gradient_accumulation_steps", "amsgrad"):
            if getattr(self, argument, None):
                raise ValueError(
                    f"`{argument}` must be left out of {type(self).__name__}, received "
                    f"{getattr(self, argument)!r}: it would walk every table as a whole. Take the "
                    "dense optimiser where it is needed."
                )

    def build(self: Any, variables: Any) -> None:
        """Makes the slots."""
        if self.built:
            return
        super().build(variables)  # type: ignore[misc]
        tables = [each for each in variables if getattr(each, "is_table", False)]
        if tables:
            use_huge_pages([raw(each) for each in [*tables, *self._variables]])

    def step_rows(
        self: Any, rows: Tensor, gradient: Tensor, variable: Any, learning_rate: Tensor
    ) -> None:
        """Steps some rows of a table.

        Args:
            rows: Their numbers, int `[M]`, each once.
            gradient: float `[M, ...]`, in the type of the variable.
            variable: The table, a `tf.Variable` `[N, ...]`.
            learning_rate: A scalar.
        """
        raise NotImplementedError

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Tensor) -> None:
        """Updates one variable, as `keras.optimizers.Optimizer.update_step` does."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        # Again, where several devices have added their slices.
        gradient = summed_by_row(gradient)
        values = tf.cast(gradient.values, variable.dtype)
        self.step_rows(gradient.indices, values, variable, tf.cast(learning_rate, values.dtype))

    def decayed(self: Any, rows: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Takes the decoupled weight decay of some rows off them."""
        if self.weight_decay is None or not self._use_weight_decay(variable):
            return
        factor = tf.cast(self.weight_decay, variable.dtype) * learning_rate
        tf.raw_ops.ResourceScatterSub(
            resource=variable.handle, indices=rows, updates=factor * gathered(variable, rows)
        )

    def _backend_apply_gradients(self: Any, grads: Any, trainable_variables: Any) -> None:
        grads = [summed_by_row(each) for each in grads]
        pairs = zip(grads, trainable_variables, strict=True)
        self._sparse = frozenset(
            self._var_key(variable)
            for gradient, variable in pairs
            if isinstance(gradient, tf.IndexedSlices)
        )
        super()._backend_apply_gradients(grads, trainable_variables)  # type: ignore[misc]

    def _clip_gradients(self: Any, grads: list[Any]) -> list[Any]:
        if self.global_clipnorm and not self.clipnorm:
            return clipped_by_global_norm(grads, self.global_clipnorm)
        if self.clipvalue and not self.clipnorm:
            return [clipped_rows(each, self.clipvalue) for each in grads]
        return super()._clip_gradients(grads)  # type: ignore[misc]

    def _apply_weight_decay(self: Any, variables: Any) -> None:
        # A table's decay is taken off the batch's rows when they are stepped.
        dense = [each for each in variables if self._var_key(each) not in self._sparse]
        super()._apply_weight_decay(dense)  # type: ignore[misc]


class SummedSlices(tf.IndexedSlices):  # type: ignore[misc]
    """Slices of which no two are of one row."""


def summed_by_row(gradient: Any) -> Any:
    """Sums the slices of each row; other gradients come back as they are.

    Example:
        >>> slices = tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), tf.constant([3, 0, 3]))
        >>> summed = summed_by_row(slices)
        >>> summed.indices.numpy().tolist(), summed.values.numpy().tolist()
        ([3, 0], [[5.0], [2.0]])
    """
    if not isinstance(gradient, tf.IndexedSlices) or isinstance(gradient, SummedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return SummedSlices(values, rows, gradient.dense_shape)


def gathered(variable: Any, rows: Tensor) -> Tensor:
    """Reads rows of a variable, a Keras one or TensorFlow's."""
    return raw(variable).sparse_read(rows)


def raw(variable: Any) -> Any:
    """Returns TensorFlow's variable."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def write_rows(variable: Any, rows: Tensor, values: Tensor) -> None:
    """Writes rows of a variable."""
    tf.raw_ops.ResourceScatterUpdate(resource=raw(variable).handle, indices=rows, updates=values)
