"""Fixed numbers of each item out of its features, for models that read items by their index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys_tf.encoders import TextEncoder, load_text_backbone
from recsys_tf.features import transform_catalogue
from recsys_tf.naming import look_up
from recsys_tf.preparation.prepared_data import PreparedData
from recsys_tf.types import NUM_RESERVED_INDICES, Array, FloatArray, IntArray

_KINDS = ("embedding", "categorical", "id", "numeric", "text")


def catalogue_content(data: PreparedData, names: Sequence[str]) -> FloatArray:
    """Makes the numbers of each item that `names` name, beside each other.

    Ready-made embeddings as they are; categories as zeros and ones, with none for a value that
    training has not met; numbers scaled, with a one where they are known; texts as the mean of
    their tokens' vectors, by the pretrained encoder that `RunConfig.model.text.preset` names. Each
    item's numbers of one feature are divided by their length, so that features weigh alike
    whatever they are made of; numbers are not.

    Args:
        data: Where items and their preprocessing come from.
        names: Features of the item.

    Returns:
        float32 `[N, F]`, in the order of `items`; zeros where nothing is known.

    Raises:
        ValueError: If a name is no such feature of the item, or a text has no pretrained encoder.
    """
    schema = data.schema
    usable = {
        each.name: each
        for each in schema.candidate_features
        if each.kind in _KINDS and each.name != schema.item_id
    }
    features = [look_up(usable, name, "content_features") for name in names]
    chosen = schema.model_copy(update={"features": tuple(features)})
    columns = transform_catalogue(data.catalogue, data.preprocessor, chosen)
    parts = [_numbers(each, columns[each.name], data) for each in features]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _numbers(feature: Any, column: Array, data: PreparedData) -> FloatArray:
    if feature.kind == "numeric":
        return column[:, :2]  # The bin, where there is one, is no number.
    if feature.kind == "text":
        column = _text_vectors(feature.name, column, data.config.model.text.preset)
    elif feature.kind != "embedding":
        column = _flags(column, data.state.num_indices(feature.name))
    length = np.linalg.norm(column, axis=1, keepdims=True)
    return column / np.where(length > 0, length, 1)


def _flags(values: IntArray, num_indices: int) -> FloatArray:
    values = values.reshape(len(values), -1)
    flags = np.zeros((len(values), num_indices), np.float32)
    flags[np.arange(len(values))[:, np.newaxis], values] = 1
    return flags[:, NUM_RESERVED_INDICES:]


def _text_vectors(name: str, tokens: IntArray, preset: str | None) -> FloatArray:
    if preset is None:
        raise ValueError(
            f"`content_features` may name the text {name!r} only where a pretrained encoder reads "
            "it; name one by `RunConfig.model.text.preset`, or leave the text out."
        )
    encoder = TextEncoder(1, load_text_backbone(preset), is_trainable=False)
    batches = (tokens[start : start + 256] for start in range(0, len(tokens), 256))
    return np.concatenate([np.asarray(encoder.pool(batch)) for batch in batches])
