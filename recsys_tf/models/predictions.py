"""From logits to numbers a person understands."""

from __future__ import annotations

from collections.abc import Iterable

from keras import ops

from recsys_tf.schema import TaskSpec
from recsys_tf.types import Tensor, TensorDict


def predict(task: TaskSpec, logits: Tensor) -> Tensor:
    """Applies a task's link function.

    Args:
        task: The task; `kind` says which function.
        logits: float `[B]`, or `[B, C]` for the kinds of several classes.

    Returns:
        float32 of the same shape: the number itself, kept inside `value_range`, for a
        regression; a probability for `binary`; probabilities for `multiclass` (that sum to 1) and
        `multilabel` (each for itself); the score itself for `retrieval`.
    """
    logits = ops.cast(logits, "float32")
    if task.kind == "binary" or task.kind == "multilabel":
        return ops.sigmoid(logits)
    if task.kind == "multiclass":
        return ops.softmax(logits, axis=-1)
    if task.kind == "regression" and task.value_range is not None:
        return ops.clip(logits, *task.value_range)
    return logits


def predict_all(tasks: Iterable[TaskSpec], outputs: TensorDict) -> dict[str, Tensor]:
    """Applies `predict` to every task that `outputs` holds the logits of."""
    return {task.name: predict(task, outputs[task.name]) for task in tasks if task.name in outputs}
