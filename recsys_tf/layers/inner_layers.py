"""Layers inside another layer's configuration."""

from __future__ import annotations

from typing import Any

import keras


def with_layers(config: dict[str, Any], *names: str) -> dict[str, Any]:
    """Makes the layers of a configuration again, for `from_config`.

    Args:
        config: Values of `get_config`.
        names: Arguments that are layers; one that is None, absent or a layer already stays so.

    Returns:
        A copy with the layers, of fresh weights.
    """
    made = {
        name: keras.saving.deserialize_keras_object(config[name])
        for name in names
        if isinstance(config.get(name), dict)
    }
    return {**config, **made}
