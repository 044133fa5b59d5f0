"""The history, read once more for the item that is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from recsys_tf.config import ModelConfig
from recsys_tf.encoders import HistoryEvents, make_event_encoder
from recsys_tf.layers import HistoryDropout
from recsys_tf.naming import known_arguments, look_up
from recsys_tf.schema import FeaturesAndTasks, FeatureSpec, HistoryFeature
from recsys_tf.target_attention import TARGET_ATTENTIONS
from recsys_tf.types import PADDING_INDEX


def check_target_attention(schema: FeaturesAndTasks, config: ModelConfig) -> None:
    """Checks that a target attention has a history and an item to read, and a task that asks.

    Args:
        schema: Features and tasks.
        config: Names the attention.

    Raises:
        ValueError: If there is no history, no vector of its item, or no ranking task.
    """
    if config.target_attention is None:
        return
    names = {each.name for each in schema.features}
    if not any(each.kind == "history" and each.of in names for each in schema.features):
        raise ValueError(
            "`target_attention` must be None without a history and the id of its item, which it "
            f"reads, received {config.target_attention!r}; give the schema both."
        )
    if not schema.ranking_tasks:
        raise ValueError(
            "`target_attention` must be None without a ranking task, which alone judges a user "
            f"with one item, received {config.target_attention!r}."
        )


def encoder_config(config: ModelConfig) -> ModelConfig:
    """Returns the configuration of the features' encoders: without what `drop_events` does."""
    if config.target_attention is None:
        return config
    return config.model_copy(update={"history_dropout": 0.0, "empty_history_share": 0.0})


def drop_events(ids: Any, spec: FeatureSpec, config: ModelConfig) -> Any:
    """Drops a history's events before all that reads them, where a target attention is one.

    The history's own encoder and the attention then miss the same events: the row is trained as
    one of a user with the others alone.

    Args:
        ids: A feature's symbolic input; int `[B, L]` of a history.
        spec: The feature.
        config: Gives the shares.

    Returns:
        What the feature's encoder reads; `ids` itself where nothing is to be dropped here.
    """
    if config.target_attention is None or spec.kind != "history":
        return ids
    dropout = HistoryDropout(
        config.history_dropout,
        is_rate_varied=True,
        empty_share=config.empty_history_share,
        name=f"{spec.name}_dropout",
    )
    return dropout(ids)


def history_events(
    ids: Any, told: Mapping[str, Any], spec: HistoryFeature, item_encoder: keras.layers.Layer
) -> dict[str, Any]:
    """Looks up what a target attention reads.

    Args:
        ids: Symbolic indices of the events, int `[B, L]`.
        told: What else is given of the events, symbolic `[B, L]` by the names of `spec.aligned`;
            values are not read.
        spec: The history.
        item_encoder: The item's own encoder, with the table that the target is of, too.

    Returns:
        Symbolic `events`, float `[B, L, D]`, and `is_event`, bool `[B, L]`.
    """
    name = "target_attention_events"
    of_events = make_event_encoder(spec, item_encoder.initial_stddev, f"{name}_told")
    read = {each: tensor for each, tensor in told.items() if each != "values"}
    events = HistoryEvents(item_encoder, of_events, name=name)(ids, **read)
    return {"events": events, "is_event": ops.not_equal(ids, PADDING_INDEX)}


def attend(events: Any, is_event: Any, target: Any, config: ModelConfig) -> Any:
    """Reads each row's history for its target.

    Args:
        events: Symbolic float `[B, L, D]`.
        is_event: Symbolic bool `[B, L]`.
        target: Symbolic float `[B, D]`, the item's own vector.
        config: Names the attention; must not be None.

    Returns:
        Symbolic float `[B, D]`.

    Raises:
        ValueError: If the configuration names an unknown attention, or it refuses an option.
    """
    block = look_up(TARGET_ATTENTIONS, str(config.target_attention), "target_attention")
    # A table of positions is as long as the histories are, unless the options say otherwise.
    sizes = {"dropout": config.dropout, "max_length": events.shape[1]}
    options: dict[str, Any] = {**known_arguments(block, sizes), **config.target_attention_options}
    return block(**options, name="target_attention")(events, is_event, target)
