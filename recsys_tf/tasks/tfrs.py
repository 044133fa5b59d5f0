"""Imports TensorFlow Recommenders beside Keras 3.

TFRS wants `tf.keras` to be Keras 2, which holds only if `TF_USE_LEGACY_KERAS=1` stands in the
environment before `tf.keras` is first touched. `import recsys_tf` sets it; `import keras` remains
Keras 3.

`tfrs.tasks.Retrieval` takes `len` of a shape tensor, which in a graph only autograph can trace.
Keras 3 switches autograph off in its train step, and switching it on again for this one call costs
two thirds of the tracing of a whole model. Its module is given a `len` that reads the static shape.
"""

from __future__ import annotations

import builtins
from typing import Any

import tensorflow as tf

try:
    import tensorflow_recommenders as tfrs
except ImportError as error:
    raise ImportError(
        "TensorFlow Recommenders needs Keras 2 as `tf.keras`, but TensorFlow was used before "
        "recsys_tf could ask for it. Import recsys_tf first, or set TF_USE_LEGACY_KERAS=1 in the "
        f"environment. (The import said: {error})"
    ) from error

from tensorflow_recommenders.tasks import retrieval as _retrieval_module


def _static_len(value: Any) -> int:
    """Returns the length of anything, of a symbolic vector too."""
    if isinstance(value, tf.Tensor) and value.shape.rank == 1 and value.shape[0] is not None:
        return int(value.shape[0])
    return builtins.len(value)


_retrieval_module.len = _static_len

__all__ = ["tfrs"]
