"""An encoder inside another layer's configuration, shared with whoever else holds it."""

from __future__ import annotations

from typing import Any

import keras


def shared_encoder_config(encoder: keras.layers.Layer) -> dict[str, Any]:
    """Serializes an encoder so that a loaded model has it once, wherever it was shared.

    Keras marks the first of two equal objects too late to reach into a layer's own configuration;
    without the mark the loaded model would have two tables, and weights for one.

    Args:
        encoder: The encoder that several layers hold.

    Returns:
        Its configuration, with Keras's mark of a shared object.
    """
    config: dict[str, Any] = keras.saving.serialize_keras_object(encoder)
    config["shared_object_id"] = id(encoder)
    return config
