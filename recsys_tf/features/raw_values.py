"""Raw tensors of any form - dense, ragged, sparse - in one form, checked on entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from recsys_tf.schema import Aligned
from recsys_tf.types import Tensor

_MISSING: dict[Any, Any] = {tf.string: "", tf.float32: float("nan"), tf.int64: 0}

ALIGNED: dict[Aligned, tuple[Any, Any]] = {
    "values": (tf.float32, 0.0),
    "actions": (tf.string, ""),
    "times": (tf.int64, 0),
}
"""Type of the raw lists that are aligned with a history, and what stands for a missing value."""

_CALLED = {tf.string: "strings", tf.float32: "numbers", tf.int64: "whole numbers"}


def is_given(raw: Mapping[str, Tensor], name: str) -> bool:
    """Returns whether the raw values hold this name, and not None in its place."""
    return raw.get(name) is not None


def as_rows(name: str, value: Tensor, dtype: Any) -> Tensor:
    """Returns one value a row, `[B]`; a row without one gets `""` or NaN.

    Args:
        name: Stands in errors.
        value: Dense `[B]`, or sparse or ragged `[B, at most 1]`.
        dtype: `tf.string` or `tf.float32`.

    Raises:
        ValueError: If the rank is another.
        TypeError: If the type is another.
    """
    value = _checked(name, value, dtype)
    if isinstance(value, tf.SparseTensor):
        # A second value in a row lies outside this shape, which TensorFlow refuses.
        value = tf.SparseTensor(value.indices, value.values, [value.dense_shape[0], 1])
        return tf.sparse.to_dense(value, _MISSING[dtype])[:, 0]
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor(_MISSING[dtype], shape=[None, 1])[:, 0]
    _check_rank(name, value, 1, "[B]")
    return value


def as_lists(name: str, value: Tensor, dtype: Any) -> Tensor:
    """Returns a list a row, dense `[B, any]`, filled up at the right with `""`, NaN or 0.

    Args:
        name: Stands in errors.
        value: Dense, ragged or sparse `[B, any]`.
        dtype: `tf.string`, `tf.float32` or `tf.int64`.

    Raises:
        ValueError: If the rank is another.
        TypeError: If the type is another.
    """
    value = _checked(name, value, dtype)
    _check_rank(name, value, 2, "[B, any length]")
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor(_MISSING[dtype])
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.to_dense(value, _MISSING[dtype])
    return value


def as_vectors(name: str, value: Tensor, size: int) -> Tensor:
    """Returns a vector a row, float32 `[B, size]`; a shorter sparse or ragged row gets NaN.

    Args:
        name: Stands in errors.
        value: Dense, ragged or sparse `[B, size]`.
        size: Length of the vectors.

    Raises:
        ValueError: If the rank or the length is another.
        TypeError: If the type is another.
    """
    value = _checked(name, value, tf.float32)
    _check_rank(name, value, 2, f"[B, {size}]")
    if isinstance(value, tf.SparseTensor):
        value = tf.RaggedTensor.from_sparse(value)
    if isinstance(value, tf.RaggedTensor):
        value = value.to_tensor(float("nan"), shape=[None, size])
    if value.shape[1] not in (None, size):
        raise ValueError(
            f"`{name}` must hold {size} numbers a row, received shape {tuple(value.shape)}."
        )
    return tf.ensure_shape(value, [None, size])


def fit_width(values: Tensor, width: Any, filling: Any) -> Tensor:
    """Cuts or fills up lists at the right.

    Args:
        values: Dense or ragged `[B, any]`.
        width: Wanted length, a number or an int32 scalar.
        filling: What stands behind a shorter list.

    Returns:
        Dense `[B, width]`, also for no rows, where `RaggedTensor.to_tensor(shape=...)` fails.
    """
    if isinstance(values, tf.RaggedTensor):
        values = values.to_tensor(filling)
    tail = tf.fill([tf.shape(values)[0], width], tf.cast(filling, values.dtype))
    fitted = tf.concat([values, tail], axis=1)[:, :width]
    return tf.ensure_shape(fitted, [None, width if isinstance(width, int) else None])


def _checked(name: str, value: Tensor, dtype: Any) -> Tensor:
    if not isinstance(value, (tf.RaggedTensor, tf.SparseTensor)):
        value = tf.convert_to_tensor(value)
    if value.dtype == dtype:
        return value
    if value.dtype.is_integer and dtype != tf.string:
        return tf.cast(value, dtype)
    if value.dtype.is_floating and dtype == tf.float32:
        return tf.cast(value, dtype)
    raise TypeError(
        f"`{name}` must hold {_CALLED[dtype]}, received {value.dtype.name}."
        + (
            " Ids and categories are strings, also those that look like numbers."
            if dtype == tf.string
            else ""
        )
    )


def _check_rank(name: str, value: Tensor, rank: int, shape: str) -> None:
    received = value.shape.rank
    if received is not None and received != rank:
        raise ValueError(
            f"`{name}`: expected rank {rank}, {shape}, got {received}, shape {tuple(value.shape)}."
        )
