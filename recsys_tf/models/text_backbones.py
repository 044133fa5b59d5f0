"""The shapes of pretrained text transformers, so that a saved model needs their presets no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from recsys_tf.encoders import TextEncoder
from recsys_tf.encoders.text_backbone import import_keras_nlp
from recsys_tf.schema import FeaturesAndTasks


def backbone_configs(core: keras.Model, schema: FeaturesAndTasks) -> dict[str, Any]:
    """Describes the transformers of a model's texts as plain values.

    Args:
        core: The model's core, with the encoders by the names of their features.
        schema: Names the texts.

    Returns:
        By the name of the text, what `make_backbones` makes the same layers of again; their
        weights are saved with the model's.
    """
    encoders = {each.name: each for each in core._flatten_layers() if isinstance(each, TextEncoder)}
    return {
        spec.name: keras.saving.serialize_keras_object(encoders[f"{spec.name}_encoder"].backbone)
        for spec in schema.features
        if f"{spec.name}_encoder" in encoders
    }


def make_backbones(configs: Mapping[str, Any]) -> dict[str, keras.Model]:
    """Makes transformers with fresh weights, no matter where their presets lie by now.

    Args:
        configs: What `backbone_configs` returned; empty for a model without presets, and for one
            that was saved before they were kept.

    Returns:
        The backbones by the name of the text, for the constructor of the model.

    Raises:
        ImportError: If there is one and keras-nlp is not installed.
    """
    if configs:
        import_keras_nlp()  # Registers the classes.
    return {name: keras.saving.deserialize_keras_object(config) for name, config in configs.items()}
