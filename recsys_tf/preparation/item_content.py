"""Fixed numbers of each item out of its features, for models that read items by their index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys_tf.config import ModelConfig
from recsys_tf.encoders import TextEncoder, load_text_backbone
from recsys_tf.features import Examples, Preprocessor, id_indices, transform_catalogue
from recsys_tf.naming import look_up
from recsys_tf.schema import Schema
from recsys_tf.types import NUM_RESERVED_INDICES, Array, FloatArray, IntArray

_KINDS = ("embedding", "categorical", "id", "numeric", "text")


def catalogue_content(
    names: Sequence[str],
    schema: Schema,
    catalogue: Examples,
    preprocessor: Preprocessor,
    preset: str | None = None,
    field: str = "content_features",
) -> FloatArray:
    """Makes the numbers of each item that `names` name, beside each other.

    Ready-made embeddings as they are; categories as zeros and ones, with none for a value that
    training has not met; numbers scaled, with a one where they are known; texts as the mean of
    their tokens' vectors, by a pretrained encoder. Each
    item's numbers of one feature are divided by their length, so that features weigh alike
    whatever they are made of; numbers are not.

    Args:
        names: Features of the item.
        schema: All features.
        catalogue: The items.
        preprocessor: The fitted preprocessing.
        preset: The texts' encoder, as `RunConfig.model.text.preset` names it.
        field: What the names were given for; stands in errors.

    Returns:
        float32 `[N, F]`, in the order of the catalogue; zeros where nothing is known.

    Raises:
        ValueError: If a name is no such feature of the item, or a text has no pretrained encoder.
    """
    usable = {
        each.name: each
        for each in schema.candidate_features
        if each.kind in _KINDS and each.name != schema.item_id
    }
    features = [look_up(usable, name, field) for name in names]
    chosen = schema.model_copy(update={"features": tuple(features)})
    columns = transform_catalogue(catalogue, preprocessor, chosen)
    parts = []
    for feature in features:
        column = columns[feature.name]
        if feature.kind == "text":
            column = _text_vectors(feature.name, column, preset, field)
        elif feature.kind not in ("embedding", "numeric"):
            column = _flags(column, preprocessor.state.num_indices(feature.name))
        parts.append(_scaled(feature, column))
    return np.concatenate(parts, axis=1).astype(np.float32)


def history_content(
    config: ModelConfig, schema: Schema, catalogue: Examples, preprocessor: Preprocessor
) -> FloatArray | None:
    """Makes what `history_features` say of the items that training has met.

    Args:
        config: Names the features and the texts' encoder.
        schema: All features.
        catalogue: The items.
        preprocessor: The fitted preprocessing.

    Returns:
        float32 `[N + 2, F]`, a row an index, zeros where nothing is known; None without features.

    Raises:
        ValueError: As of `catalogue_content`.
    """
    names = config.history_features
    if not names:
        return None
    given = schema, catalogue, preprocessor, config.text.preset
    content = catalogue_content(names, *given, field="history_features")
    ids = Examples({schema.item_id: catalogue.columns[schema.item_id]})
    indices = id_indices(schema.item_id, ids, preprocessor, schema)
    return by_index(content, indices, preprocessor.state.num_indices(schema.item_id))


def by_index(content: FloatArray, indices: IntArray, num_indices: int) -> FloatArray:
    """Orders the content of items by their indices.

    Args:
        content: float `[N, F]`.
        indices: int `[N]`, each item's; of a reserved one nothing is told.
        num_indices: Rows of the result.

    Returns:
        float32 `[num_indices, F]`, zeros where no item is.
    """
    table = np.zeros((num_indices, content.shape[1]), np.float32)
    is_known = indices >= NUM_RESERVED_INDICES
    table[indices[is_known]] = content[is_known]
    return table


def _scaled(feature: Any, column: Array) -> FloatArray:
    if feature.kind == "numeric":
        return column[:, :2]  # The bin, where there is one, is no number.
    length = np.linalg.norm(column, axis=1, keepdims=True)
    return column / np.where(length > 0, length, 1)


def _flags(values: IntArray, num_indices: int) -> FloatArray:
    values = values.reshape(len(values), -1)
    flags = np.zeros((len(values), num_indices), np.float32)
    flags[np.arange(len(values))[:, np.newaxis], values] = 1
    return flags[:, NUM_RESERVED_INDICES:]


def _text_vectors(name: str, tokens: IntArray, preset: str | None, field: str) -> FloatArray:
    if preset is None:
        raise ValueError(
            f"`{field}` may name the text {name!r} only where a pretrained encoder reads "
            "it; name one by `RunConfig.model.text.preset`, or leave the text out."
        )
    encoder = TextEncoder(1, load_text_backbone(preset), is_trainable=False)
    batches = (tokens[start : start + 256] for start in range(0, len(tokens), 256))
    return np.concatenate([np.asarray(encoder.pool(batch)) for batch in batches])
