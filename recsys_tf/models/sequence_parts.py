"""What a sequential recommender is made of, and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from recsys_tf.config import SequenceConfig
from recsys_tf.encoders import EventEncoder, ItemContent
from recsys_tf.layers.embedding_table import check_integers
from recsys_tf.naming import known_arguments
from recsys_tf.sequences import SEQUENCE_ENCODERS
from recsys_tf.types import NUM_RESERVED_INDICES, PADDING_INDEX, Tensor


def make_sequence_encoder(config: SequenceConfig) -> keras.layers.Layer:
    """Makes the block that a configuration names, with the arguments that it gives."""
    block = SEQUENCE_ENCODERS[config.encoder]
    fields = {
        # A masked event stands after the newest one.
        "max_length": config.max_length if block.is_causal else config.max_length + 1,
        "has_times": config.has_times,
        "dropout": config.dropout,
    }
    options = {**known_arguments(block, fields), **config.encoder_options}
    return block(**options, name="sequence_encoder")


def make_event_encoder(config: SequenceConfig) -> EventEncoder | None:
    """Makes the layer of what an event has beside its item; None where it has nothing.

    Args:
        config: Says what the events have, and whether the time of a question is read.

    Returns:
        The layer.

    Raises:
        ValueError: If the time of a question is to be read by an encoder of both directions.
    """
    if config.has_request_times and not SEQUENCE_ENCODERS[config.encoder].is_causal:
        raise ValueError(
            f"`config.has_request_times` must be false where the encoder reads in both "
            f"directions, received {config.encoder!r}: an event's question is itself."
        )
    if not config.step_columns:
        return None
    return EventEncoder(
        config.num_actions or None,
        config.has_times,
        has_request_times=config.has_request_times,
        request_dropout=config.request_time_dropout if config.has_request_times else 0.0,
        name="event_encoder",
    )


def make_item_content(content: Any, num_indices: int, embedding_dim: int) -> ItemContent | None:
    """Makes the layer of the items' content.

    Args:
        content: float `[N, F]`, or None; rows behind the table's are of items without one.
        num_indices: Rows of the item table.
        embedding_dim: Width of the items' vectors.

    Returns:
        The layer with its numbers, 0 at the reserved indices; None without content.

    Raises:
        ValueError: If `content` is not finite or of another shape.
    """
    if content is None:
        return None
    content = np.array(content, np.float32)
    if content.ndim != 2 or len(content) < num_indices:
        raise ValueError(
            f"`content` must be [N, F] with {num_indices} rows or more, one for each row of the "
            f"item table and for each item without one, received shape {content.shape}."
        )
    content[:NUM_RESERVED_INDICES] = 0
    layer = ItemContent(len(content), content.shape[1], embedding_dim, name="item_content")
    layer.set_content(content)
    return layer


def step_column(inputs: Mapping[str, Tensor], name: str) -> Tensor:
    """Returns what a batch holds of each event, or each row.

    Args:
        inputs: The batch.
        name: `items`, `actions`, `times`, `positions` or `asked_at`.

    Returns:
        Int `[B, L]`, `[B]` of a row.

    Raises:
        TypeError: If it is no integer.
        ValueError: If the batch does not hold it.
    """
    if name not in inputs:
        raise ValueError(
            f"`inputs` must hold {name!r}, which the model reads, received "
            f"{', '.join(map(repr, inputs)) or 'nothing'}; give `make_sequence_dataset` "
            f"`columns=config.step_columns`."
        )
    column = ops.convert_to_tensor(inputs[name])
    check_integers(name, column)
    return column


def with_mask(items: Tensor, mask_index: int) -> Tensor:
    """Puts the mask after the last event of each row, and padding after it."""
    is_valid = ops.not_equal(items, PADDING_INDEX)
    places = ops.arange(ops.shape(items)[1] + 1)
    last = ops.max(ops.where(is_valid, places[1:], 0), axis=1, keepdims=True)
    longer = ops.pad(items, [[0, 0], [0, 1]])
    return ops.where(ops.equal(places, last), ops.cast(mask_index, items.dtype), longer)
