"""Sizes, block and loss of a sequential recommender."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsys_tf.config.fields import BlockOptions, PositiveInt, Rate
from recsys_tf.spec import Spec


class SequenceConfig(Spec):
    """Sizes, block and loss of a `SequenceRecommender`.

    Attributes:
        embedding_dim: Width `D` of the item table and of the states.
        max_length: Events that are read, the newest ones.
        encoder: A name out of `recsys_tf.sequences.SEQUENCE_ENCODERS`.
        encoder_options: Further arguments of that block by name, such as `{"num_layers": 3}`.
        dropout: Dropped share of the units of the events' vectors, and of the encoder's where
            `encoder_options` do not say otherwise.
        event_dropout: Share of the events that are hidden from the encoder while training; the
            items asked for stay.
        loss: A name out of `recsys_tf.tasks.RETRIEVAL_LOSSES`.
        loss_options: Further arguments of the loss by name, such as `{"num_negatives": 256}`.
        windows: Training rows of a user with more than `max_length` events: the `newest` ones
            alone, or `all` of them, cut into rows one after the other.
        masked_share: Share of the events that are masked and asked for, where the encoder reads
            in both directions.
    """

    embedding_dim: PositiveInt = 64
    max_length: Annotated[int, Field(ge=1, le=10_000)] = 200
    encoder: str = "sasrec"
    encoder_options: BlockOptions = {}
    dropout: Rate = 0.2
    event_dropout: Rate = 0.0
    loss: str = "full_softmax"
    loss_options: BlockOptions = {}
    windows: Literal["newest", "all"] = "newest"
    masked_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
