"""Target attentions: `(events [B, L, D], is_valid [B, L], target [B, D]) -> [B, D]`."""

import keras

from recsys_tf.target_attention.bst import BST
from recsys_tf.target_attention.din import DIN

TARGET_ATTENTIONS: dict[str, type[keras.layers.Layer]] = {
    "bst": BST,
    "din": DIN,
}
"""Layers that read a history for one target, by name."""

__all__ = ["BST", "DIN", "TARGET_ATTENTIONS"]
