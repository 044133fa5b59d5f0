"""Encoders: a transformed feature -> `[B, D]`, and the fusion of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from recsys_tf.config import ModelConfig
from recsys_tf.encoders.bag_history_encoder import BagHistoryEncoder
from recsys_tf.encoders.categorical_encoder import CategoricalEncoder
from recsys_tf.encoders.described_items import DescribedItems
from recsys_tf.encoders.embedding_encoder import EmbeddingEncoder
from recsys_tf.encoders.event_encoder import EventEncoder
from recsys_tf.encoders.fusion import ConcatFusion, GatedFusion
from recsys_tf.encoders.history_encoder import HistoryEncoder
from recsys_tf.encoders.history_events import HistoryEvents
from recsys_tf.encoders.history_makers import (
    HISTORY_BLOCKS,
    HISTORY_ENCODERS,
    POOLINGS,
    LayerDict,
    make_event_encoder,
)
from recsys_tf.encoders.id_encoder import IdEncoder
from recsys_tf.encoders.id_tables import ID_TABLES, id_arguments
from recsys_tf.encoders.item_content import ItemContent
from recsys_tf.encoders.joined_categories import JoinedCategories
from recsys_tf.encoders.numeric_encoder import NumericEncoder
from recsys_tf.encoders.text_backbone import load_text_backbone, make_text_backbone
from recsys_tf.encoders.text_encoder import TextEncoder
from recsys_tf.naming import look_up, unknown_name_message
from recsys_tf.schema import (
    CategoricalFeature,
    EmbeddingFeature,
    FeatureSpec,
    HistoryFeature,
    IdFeature,
    NumericFeature,
    TextFeature,
)

# Half of the rows teach the model to answer for a stranger, half to answer for this user.
_USER_DROPOUT = 0.5

FUSIONS: dict[str, type[keras.layers.Layer]] = {
    "concat": ConcatFusion,
    "gated": GatedFusion,
}
"""Layers `{feature: [B, D]} -> [B, D']` by name."""


def make_encoder(
    spec: FeatureSpec,
    num_indices: Mapping[str, int],
    model: ModelConfig,
    shared: LayerDict | None = None,
    name: str | None = None,
) -> keras.layers.Layer:
    """Makes the layer that turns one transformed feature into a vector.

    Args:
        spec: The feature.
        num_indices: Rows of the embedding table by the name of the feature, for id and
            categorical features and numbers with bins; for text, the number of word pieces.
        model: Gives the widths, the dropout shares, the history's pooling and the text backbone.
        shared: Layers that are there already, by the name of a feature. A history looks for its
            item's encoder (`spec.of`) and shares its table; without it, the history has a table
            of its own. A text takes its backbone (`spec.name`) in place of a new one.
        name: Name of the layer; `{spec.name}_encoder` where it is left out.

    Returns:
        A layer from the transformed tensor to float `[B, D]`, `D` being `model.embedding_dim`:
        int `[B]` for ids and categories, int `[B, V]` for multivalent ones, float `[B, 2]` for
        numbers (`[B, 3]` with bins), int `[B, W]` for text, float `[B, size]` for ready-made
        vectors. A history's layer is called with int `[B, L]` and, by the names in `spec.aligned`,
        `values`, float `[B, L]`, `actions` and `times`, int `[B, L]`.

    Raises:
        ImportError: If the feature is a text and keras-nlp is not installed.
        ValueError: If `num_indices` does not hold the feature, or a name in `model` is not known.

    Example:
        >>> item = IdFeature(name="item_id", side="item")
        >>> encoder = make_encoder(item, {"item_id": 100}, ModelConfig(embedding_dim=8))
        >>> encoder.name, encoder.num_indices
        ('item_id_encoder', 100)
    """
    make = look_up(ENCODERS, spec.kind, "kind")
    return make(spec, num_indices, model, shared or {}, name=name or f"{spec.name}_encoder")


def make_fusion(model: ModelConfig, name: str = "fusion") -> keras.layers.Layer:
    """Makes the layer that joins the vectors of features, as `model.fusion` names it.

    Args:
        model: Gives the fusion's name and `fusion_options`.
        name: Name of the layer.

    Returns:
        A layer from `{feature: [B, D]}` to `[B, F D]` (concat) or `[B, D]` (gated).

    Raises:
        ValueError: If `model.fusion` is not a name of `FUSIONS`, or it refuses an option.
    """
    options: dict[str, Any] = {**model.fusion_options}
    return look_up(FUSIONS, model.fusion, "fusion")(**options, name=name)


def _num_indices(name: str, num_indices: Mapping[str, int]) -> int:
    if name not in num_indices:
        raise ValueError(unknown_name_message("num_indices", name, num_indices))
    return int(num_indices[name])


def _make_id(
    spec: IdFeature, num_indices: Mapping[str, int], model: ModelConfig, _: LayerDict, name: str
) -> IdEncoder:
    of_users = _USER_DROPOUT if model.user_dropout is None else model.user_dropout
    return IdEncoder(
        id_dropout=of_users if spec.side == "user" else model.item_dropout,
        **id_arguments(spec.name, _num_indices(spec.name, num_indices), model),
        name=name,
    )


def _make_categorical(
    spec: CategoricalFeature,
    num_indices: Mapping[str, int],
    model: ModelConfig,
    _: LayerDict,
    name: str,
) -> CategoricalEncoder:
    return CategoricalEncoder(
        is_multivalent=spec.is_multivalent,
        **id_arguments(spec.name, _num_indices(spec.name, num_indices), model),
        name=name,
    )


def _make_numeric(
    spec: NumericFeature,
    num_indices: Mapping[str, int],
    model: ModelConfig,
    _: LayerDict,
    name: str,
) -> NumericEncoder:
    return NumericEncoder(
        model.embedding_dim,
        None if spec.num_bins is None else _num_indices(spec.name, num_indices),
        l2_regularization=model.l2_regularization,
        name=name,
    )


def _make_embedding(
    _: EmbeddingFeature, __: Mapping[str, int], model: ModelConfig, ___: LayerDict, name: str
) -> EmbeddingEncoder:
    return EmbeddingEncoder(model.embedding_dim, name=name)


def _make_history(
    spec: HistoryFeature,
    num_indices: Mapping[str, int],
    model: ModelConfig,
    shared: LayerDict,
    name: str,
) -> keras.layers.Layer:
    make = look_up(HISTORY_ENCODERS, model.history_encoder, "history_encoder")
    return make(spec, _num_indices(spec.of, num_indices), model, shared, name)


def _make_text(
    spec: TextFeature,
    num_indices: Mapping[str, int],
    model: ModelConfig,
    shared: LayerDict,
    name: str,
) -> TextEncoder:
    text = model.text
    if spec.name in shared:
        backbone = shared[spec.name]
    elif text.preset is not None:
        backbone = load_text_backbone(text.preset)
    else:
        backbone = make_text_backbone(
            num_indices.get(spec.name, text.vocabulary_size),
            num_layers=text.num_layers,
            num_heads=text.num_heads,
            hidden_dim=text.hidden_dim,
            intermediate_dim=text.intermediate_dim,
            dropout=text.dropout,
            max_tokens=spec.max_tokens,
        )
    return TextEncoder(model.embedding_dim, backbone, is_trainable=text.is_trainable, name=name)


ENCODERS: dict[str, Callable[..., keras.layers.Layer]] = {
    "categorical": _make_categorical,
    "embedding": _make_embedding,
    "history": _make_history,
    "id": _make_id,
    "numeric": _make_numeric,
    "text": _make_text,
}
"""By a feature's kind, what makes its encoder: `(spec, num_indices, model, shared, name)`."""

__all__ = [
    "ENCODERS",
    "FUSIONS",
    "HISTORY_BLOCKS",
    "HISTORY_ENCODERS",
    "ID_TABLES",
    "POOLINGS",
    "BagHistoryEncoder",
    "CategoricalEncoder",
    "ConcatFusion",
    "DescribedItems",
    "EmbeddingEncoder",
    "EventEncoder",
    "GatedFusion",
    "HistoryEncoder",
    "HistoryEvents",
    "IdEncoder",
    "ItemContent",
    "JoinedCategories",
    "NumericEncoder",
    "TextEncoder",
    "load_text_backbone",
    "make_encoder",
    "make_event_encoder",
    "make_fusion",
    "make_text_backbone",
]
