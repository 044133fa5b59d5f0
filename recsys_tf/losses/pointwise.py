"""The loss of each row, by kind of task; logits in, float32 `[B]` out."""

from __future__ import annotations

from keras import ops

from recsys_tf.types import Tensor


def squared_error(labels: Tensor, predictions: Tensor) -> Tensor:
    """Computes `(y - p)^2` of each row.

    Args:
        labels: float `[B]`.
        predictions: float `[B]`.

    Returns:
        float32 `[B]`.
    """
    return ops.square(ops.cast(labels, "float32") - ops.cast(predictions, "float32"))


def binary_crossentropy(labels: Tensor, logits: Tensor) -> Tensor:
    """Computes `-y log s(z) - (1 - y) log(1 - s(z))` of each row, without overflow.

    The form `max(z, 0) - z y + log(1 + exp(-|z|))` is exact for logits of any size.

    Args:
        labels: float `[B]`, between 0 and 1.
        logits: float `[B]`.

    Returns:
        float32 `[B]`.
    """
    labels = ops.cast(labels, "float32")
    logits = ops.cast(logits, "float32")
    return ops.relu(logits) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits)))


def multiclass_crossentropy(labels: Tensor, logits: Tensor) -> Tensor:
    """Computes `-log softmax(z)[y]` of each row.

    Args:
        labels: int `[B]`, class indices from 0 on.
        logits: float `[B, C]`.

    Returns:
        float32 `[B]`.
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    classes = ops.expand_dims(ops.cast(labels, "int32"), axis=-1)
    return -ops.squeeze(ops.take_along_axis(log_probabilities, classes, axis=-1), axis=-1)


def multilabel_crossentropy(labels: Tensor, logits: Tensor) -> Tensor:
    """Computes the mean binary cross-entropy over the `C` labels of each row.

    Args:
        labels: float `[B, C]`, 1 where the label applies.
        logits: float `[B, C]`.

    Returns:
        float32 `[B]`.
    """
    return ops.mean(binary_crossentropy(labels, logits), axis=-1)
