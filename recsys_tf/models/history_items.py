"""What a history reads of its items besides their ids."""

from __future__ import annotations

import keras
import numpy as np

from recsys_tf.config import ModelConfig
from recsys_tf.encoders import DescribedItems, ItemContent
from recsys_tf.schema import HistoryFeature, Schema
from recsys_tf.types import NUM_RESERVED_INDICES, FloatArray


def described_items(
    spec: HistoryFeature,
    item_encoder: keras.layers.Layer,
    config: ModelConfig,
    content: FloatArray | None,
) -> keras.layers.Layer:
    """Makes what a history looks its items up by.

    Args:
        spec: The history.
        item_encoder: The item's own encoder, an `IdEncoder`.
        config: Names `history_features`, and the widths.
        content: float `[N + 2, F]`, their numbers by the items' indices.

    Returns:
        The item's encoder, with the content where there is one.

    Raises:
        ValueError: If the content is not finite or of another number of rows.
    """
    if content is None:
        return item_encoder
    content = np.array(content, np.float32)
    content[:NUM_RESERVED_INDICES] = 0
    layer = ItemContent(
        item_encoder.num_indices,
        content.shape[1],
        config.embedding_dim,
        initial_stddev=item_encoder.initial_stddev,
        name=f"{spec.name}_item_content",
    )
    layer.set_content(content)
    return DescribedItems(item_encoder, layer, name=f"{spec.name}_items")


def check_history_features(schema: Schema, config: ModelConfig, content: FloatArray | None) -> None:
    """Checks that `history_features` have a history that reads them, and their numbers.

    Args:
        schema: Features and tasks.
        config: Names the features and the history's encoder.
        content: Their numbers.

    Raises:
        ValueError: If there is content and nothing that reads it, or the other way round.
    """
    if (content is None) == bool(config.history_features):
        raise ValueError(
            "`history_content` must be given exactly where `model.history_features` names what it "
            f"is of, received {'none' if content is None else f'shape {np.shape(content)}'} and "
            f"{config.history_features}; `history_content` of `recsys_tf.preparation` makes it, as "
            "`build_recommender` does."
        )
    if config.history_features and schema.history is None:
        raise ValueError(
            "`history_features` must be empty where the schema has no history, received "
            f"{config.history_features}."
        )
    if config.history_features and config.history_encoder == "bag":
        raise ValueError(
            "`history_encoder` must be another one than 'bag' with `history_features`, which it "
            "does not read: it has a vector of its own for each item. Take 'attention' or 'mean'."
        )
