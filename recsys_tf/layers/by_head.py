"""The parts of vectors that the heads of an attention read."""

from __future__ import annotations

from keras import ops

from recsys_tf.types import Tensor


def by_head(vectors: Tensor, num_heads: int) -> Tensor:
    """Cuts vectors into one part for each head, and puts the heads before the positions.

    Args:
        vectors: Float `[B, L, D]`; `num_heads` divides `D`.
        num_heads: Number of heads.

    Returns:
        Float `[B, num_heads, L, D / num_heads]`.

    Example:
        >>> import numpy as np
        >>> by_head(np.arange(4.0).reshape(1, 1, 4), 2).numpy().tolist()
        [[[[0.0, 1.0]], [[2.0, 3.0]]]]
    """
    if num_heads == 1:
        return ops.expand_dims(vectors, 1)
    num_rows, length = ops.shape(vectors)[:2]
    shape = (num_rows, length, num_heads, vectors.shape[-1] // num_heads)
    return ops.transpose(ops.reshape(vectors, shape), (0, 2, 1, 3))
