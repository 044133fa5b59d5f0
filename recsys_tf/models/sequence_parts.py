"""What a sequential recommender is made of, and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
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
        name: `items`, `actions`, `times` or `asked_at`.

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


def without_seen(inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    """Parts what a model reads from what it is not measured by.

    Args:
        inputs: The batch; with `seen` where `make_question_dataset` was asked for it.

    Returns:
        The batch without `seen`; and that, int `[B, S]`, or else the events that are read.
    """
    read = {name: each for name, each in inputs.items() if name != "seen"}
    return read, inputs["seen"] if "seen" in inputs else step_column(inputs, "items")


def with_mask(items: Tensor, mask_index: int) -> Tensor:
    """Puts the mask after the last event of each row, and padding after it."""
    is_valid = ops.not_equal(items, PADDING_INDEX)
    places = ops.arange(ops.shape(items)[1] + 1)
    last = ops.max(ops.where(is_valid, places[1:], 0), axis=1, keepdims=True)
    longer = ops.pad(items, [[0, 0], [0, 1]])
    return ops.where(ops.equal(places, last), ops.cast(mask_index, items.dtype), longer)


def num_before(scores: Tensor, positives: Tensor, seen: Tensor) -> Tensor:
    """Counts the items that stand before the positives; ties count against these.

    Args:
        scores: float32 `[M, N]`, by index.
        positives: int `[M]`, the items asked for, which do not count themselves.
        seen: int `[M, L]`, items that do not count; what is not below `N` is no item.

    Returns:
        float32 `[M]`; infinity where the score of the positive is NaN.

    Example:
        >>> scores = tf.constant([[9.0, 9.0, 1.0, 3.0, 1.0]])
        >>> [num_before(scores, [2], seen).numpy().tolist() for seen in ([[0]], [[3, 3, 5]])]
        [[2.0], [1.0]]
    """
    positives = tf.cast(positives, tf.int32)
    own = tf.gather(scores, positives, batch_dims=1)[:, tf.newaxis]
    # Whatever is not surely behind stands before: a tie, and a score that is NaN.
    is_before = tf.cast(~(scores[:, NUM_RESERVED_INDICES:] < own), tf.float32)
    # A seen item counts once, however often it was met; padding and masks are no items.
    seen = tf.concat([tf.cast(seen, tf.int32), positives[:, tf.newaxis]], axis=1)
    seen = tf.where(seen < tf.shape(scores)[1], seen, PADDING_INDEX)
    rows = tf.repeat(tf.range(tf.shape(seen)[0]), tf.shape(seen)[1])
    cells = tf.stack([rows, tf.reshape(seen, [-1])], axis=1)
    is_seen = tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1]), tf.shape(scores)) > 0
    unseen = tf.cast(~is_seen[:, NUM_RESERVED_INDICES:], tf.float32)
    count = tf.reduce_sum(is_before * unseen, axis=1)
    return tf.where(tf.math.is_nan(own[:, 0]), np.inf, count)


def question_weights(sample_weight: Tensor | None, asked: Tensor) -> Tensor:
    """Picks the weights of the questions of a batch.

    Args:
        sample_weight: float `[B, L]`, or None where all weigh alike.
        asked: int64 `[M, 2]`, row and position of each question.

    Returns:
        float32 `[M]`.

    Raises:
        ValueError: If the weights are of another rank.
    """
    if sample_weight is None:
        return tf.ones(tf.shape(asked)[:1])
    rank = tf.convert_to_tensor(sample_weight).shape.rank
    if rank not in (2, None):
        raise ValueError(
            f"`sample_weight` must be [B, L], a weight for each question, received rank {rank}."
        )
    return tf.cast(tf.gather_nd(sample_weight, asked), tf.float32)
