"""Shapes and types of the raw values that a request gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from keyword import iskeyword
from typing import Any

import tensorflow as tf

from recsys_tf.features.raw_values import ALIGNED


def raw_specs(features: Iterable[Any]) -> dict[str, tf.TensorSpec]:
    """Returns the raw inputs of features by name, as a signature takes them."""
    specs: dict[str, tuple[Sequence[int | None], tf.DType]] = {}
    for feature in features:
        specs.update(raw_spec(feature))
    return {name: tf.TensorSpec(*spec, name=name) for name, spec in specs.items()}


def check_parameter_names(names: Iterable[str | None]) -> None:
    """Checks that every name can be that of a signature's input; None is none.

    Raises:
        ValueError: If one is a word of Python's.
    """
    for name in names:
        if name is not None and iskeyword(name):  # TensorFlow makes a function's parameter of it
            raise ValueError(
                f"`schema`: the feature {name!r} has the name of a Python keyword, which no "
                "signature's input may have; give it another one."
            )


def raw_spec(spec: Any) -> Mapping[str, tuple[Sequence[int | None], tf.DType]]:
    """Returns the shape and type of each raw input of a feature, by name."""
    if spec.kind == "history":
        lists = {name: ALIGNED[told][0] for told, name in spec.aligned.items()}
        return {
            name: ([None, None], dtype) for name, dtype in {spec.name: tf.string, **lists}.items()
        }
    if spec.kind == "numeric":
        return {spec.name: ([None], tf.float32)}
    if spec.kind == "embedding":
        return {spec.name: ([None, spec.size], tf.float32)}
    if spec.kind == "categorical" and spec.is_multivalent:
        return {spec.name: ([None, None], tf.string)}
    return {spec.name: ([None], tf.string)}
