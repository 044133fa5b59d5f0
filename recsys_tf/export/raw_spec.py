"""Shapes and types of the raw values that a request gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf


def raw_spec(spec: Any) -> Mapping[str, tuple[Sequence[int | None], tf.DType]]:
    """Returns the shape and type of each raw input of a feature, by name."""
    if spec.kind == "history":
        shapes = {spec.name: ([None, None], tf.string)}
        if spec.values_name is not None:
            shapes[spec.values_name] = ([None, None], tf.float32)
        return shapes
    if spec.kind == "numeric":
        return {spec.name: ([None], tf.float32)}
    if spec.kind == "embedding":
        return {spec.name: ([None, spec.size], tf.float32)}
    if spec.kind == "categorical" and spec.is_multivalent:
        return {spec.name: ([None, None], tf.string)}
    return {spec.name: ([None], tf.string)}
