"""Imports TensorFlow Recommenders beside Keras 3.

TFRS wants `tf.keras` to be Keras 2, which holds only if `TF_USE_LEGACY_KERAS=1` stands in the
environment before `tf.keras` is first touched. `import recsys_tf` sets it; `import keras` remains
Keras 3.
"""

from __future__ import annotations

try:
    import tensorflow_recommenders as tfrs
except ImportError as error:
    raise ImportError(
        "TensorFlow Recommenders needs Keras 2 as `tf.keras`, but TensorFlow was used before "
        "recsys_tf could ask for it. Import recsys_tf first, or set TF_USE_LEGACY_KERAS=1 in the "
        f"environment. (The import said: {error})"
    ) from error

__all__ = ["tfrs"]
