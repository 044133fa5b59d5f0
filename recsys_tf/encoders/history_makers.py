"""Makes the encoder of a history, by the name that a configuration gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras

from recsys_tf.config import ModelConfig
from recsys_tf.encoders.bag_history_encoder import BagHistoryEncoder
from recsys_tf.encoders.event_encoder import EventEncoder
from recsys_tf.encoders.history_encoder import HistoryEncoder
from recsys_tf.encoders.id_encoder import IdEncoder
from recsys_tf.encoders.id_tables import id_arguments
from recsys_tf.layers import AttentionPooling, MaskedMeanPooling
from recsys_tf.naming import known_arguments
from recsys_tf.schema import HistoryFeature
from recsys_tf.sequences import SEQUENCE_ENCODERS, LastState

LayerDict = Mapping[str, keras.layers.Layer]

POOLINGS: dict[str, Callable[..., keras.layers.Layer]] = {
    "attention": AttentionPooling,
    "mean": MaskedMeanPooling,
    "root_mean": partial(MaskedMeanPooling, length_power=0.5),
}
"""Layers `(events [B, L, D], is_valid [B, L]) -> [B, D]` by name."""


def _bag(
    spec: HistoryFeature, num_items: int, model: ModelConfig, _: LayerDict, name: str
) -> BagHistoryEncoder:
    if spec.of in model.id_tables:
        raise ValueError(
            f"`id_tables` must not hold {spec.of!r} with the history encoder 'bag', which has a "
            f"table of its own with a row an item, received {model.id_tables[spec.of]!r}. Take "
            "another encoder, such as 'mean', which reads the history by the item's own vectors."
        )
    unread = [name for told, name in spec.aligned.items() if told != "values"]
    if unread:
        raise ValueError(
            f"`history_encoder` must be another one than 'bag', which counts items and reads no "
            f"kinds or times, received the history {spec.name!r} with {' and '.join(unread)}; take "
            "'attention' or an encoder of sequences, or leave these lists out of the schema."
        )
    options: dict[str, Any] = {**model.history_encoder_options}
    return BagHistoryEncoder(
        num_items,
        model.embedding_dim,
        has_values=spec.values_name is not None,
        history_dropout=model.history_dropout,
        empty_history_share=model.empty_history_share,
        **options,
        name=name,
    )


def _pooled(
    pooling: str,
    spec: HistoryFeature,
    num_items: int,
    model: ModelConfig,
    shared: LayerDict,
    name: str,
) -> HistoryEncoder:
    layer = POOLINGS[pooling](**model.history_encoder_options, name=f"{name}_pooling")
    return _history(layer, spec, num_items, model, shared, name)


def _last_state(
    sequence_encoder: str,
    spec: HistoryFeature,
    num_items: int,
    model: ModelConfig,
    shared: LayerDict,
    name: str,
) -> HistoryEncoder:
    block = SEQUENCE_ENCODERS[sequence_encoder]
    # A table of positions is as long as the histories are, unless the options say otherwise.
    sizes = {"max_length": spec.max_length, "has_times": spec.times_name is not None}
    options = known_arguments(block, sizes)
    options = {**options, **model.history_encoder_options}
    layer = LastState(block(**options, name="encoder"), name=f"{name}_pooling")
    return _history(layer, spec, num_items, model, shared, name)


def _history(
    pooling: keras.layers.Layer,
    spec: HistoryFeature,
    num_items: int,
    model: ModelConfig,
    shared: LayerDict,
    name: str,
) -> HistoryEncoder:
    item_encoder = shared.get(spec.of)
    if item_encoder is None:
        item_encoder = IdEncoder(**id_arguments(spec.of, num_items, model), name=f"{name}_item")
    return HistoryEncoder(
        item_encoder,
        pooling,
        has_values=spec.values_name is not None,
        history_dropout=model.history_dropout,
        empty_history_share=model.empty_history_share,
        event_encoder=make_event_encoder(spec, item_encoder.initial_stddev, f"{name}_events"),
        name=name,
    )


def make_event_encoder(
    spec: HistoryFeature, initial_stddev: float, name: str
) -> EventEncoder | None:
    """Makes the layer of what is known of a history's events beside their items.

    Args:
        spec: The history.
        initial_stddev: Standard deviation of the items' vectors at first.
        name: Name of the layer.

    Returns:
        The layer; None where nothing is known.
    """
    if not {"actions", "times"} & set(spec.aligned):
        return None
    has_times = spec.times_name is not None
    return EventEncoder(spec.num_actions, has_times, initial_stddev=initial_stddev, name=name)


def _class_of(make: Any) -> type[keras.layers.Layer]:
    return getattr(make, "func", make)


HISTORY_ENCODERS: dict[str, Callable[..., keras.layers.Layer]] = {
    "bag": _bag,
    **{pooling: partial(_pooled, pooling) for pooling in POOLINGS},
    **{encoder: partial(_last_state, encoder) for encoder in SEQUENCE_ENCODERS},
}
"""By name, what makes a history's encoder: `(spec, num_items, model, shared, name)`."""

HISTORY_BLOCKS: dict[str, type[keras.layers.Layer]] = {
    "bag": BagHistoryEncoder,
    **{name: _class_of(make) for name, make in POOLINGS.items()},
    **SEQUENCE_ENCODERS,
}
"""By the names of `HISTORY_ENCODERS`, the block that takes `model.history_encoder_options`."""
