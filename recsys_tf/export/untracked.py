"""A Keras model within a `tf.Module`, unseen by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

ModelT = TypeVar("ModelT")


@dataclass(frozen=True, eq=False)
class Untracked(Generic[ModelT]):
    """Holds a model where `tf.Module` does not look for variables.

    A Keras 3 variable goes into a SavedModel as a copy that no signature reads, and a session
    (TensorFlow Serving, the local server) would restore that copy alone. So a module holds its
    model in here, and tracks the TensorFlow variables within by itself.
    """

    model: ModelT
