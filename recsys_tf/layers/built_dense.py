"""A dense layer inside another layer's `build`."""

from __future__ import annotations

from typing import Any

import keras


def built_dense(
    units: int,
    inputs_shape: tuple[int | None, ...],
    name: str,
    dtype: keras.DTypePolicy,
    activation: Any = None,
) -> keras.layers.Dense:
    """Makes a dense layer with its weights.

    Args:
        units: Width of the output.
        inputs_shape: Shape of what it reads.
        name: Name of the layer.
        dtype: Policy of the layer around it.
        activation: Keras activation or its name; None for none.

    Returns:
        The layer.
    """
    layer = keras.layers.Dense(units, activation, dtype=dtype, name=name)
    layer.build(inputs_shape)
    return layer
