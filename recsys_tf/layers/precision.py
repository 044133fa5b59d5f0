"""Numbers that half precision would round too coarsely."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.types import Tensor

_HALF = ("float16", "bfloat16")


def full_precision(policy: Any = None) -> keras.DTypePolicy:
    """Returns the dtype policy of a layer that makes logits, or what is added to them.

    bfloat16 keeps 8 bits: a logit of 9 is right to 0.03, its probability to 3 percent, and what a
    small bias or correction adds to it is lost.

    Args:
        policy: The policy of the layers around it; None takes Keras's global one.

    Returns:
        float32 where `policy` computes in half precision, else `policy`.

    Example:
        >>> full_precision(keras.DTypePolicy("mixed_bfloat16")).compute_dtype
        'float32'
    """
    policy = keras.config.dtype_policy() if policy is None else policy
    return keras.DTypePolicy("float32") if policy.compute_dtype in _HALF else policy


def precise_softmax(scores: Tensor, axis: int = -1) -> Tensor:
    """Computes a softmax in float32: a half-precision score's exponential loses the small weights.

    Through the logarithm, since Keras warns of every softmax over a single choice.

    Args:
        scores: Float, of any shape.
        axis: The axis whose weights sum to 1.

    Returns:
        float32, of the same shape.

    Example:
        >>> precise_softmax([[0.0, 0.0], [5.0, 5.0]]).numpy().tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    return ops.exp(ops.log_softmax(ops.cast(scores, "float32"), axis=axis))
