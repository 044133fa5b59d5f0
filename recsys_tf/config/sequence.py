"""Sizes, block and loss of a sequential recommender."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from recsys_tf.config.fields import BlockOptions, PositiveInt, Rate
from recsys_tf.spec import Spec
from recsys_tf.types import NUM_RESERVED_INDICES


class SequenceConfig(Spec):
    """Sizes, block and loss of a `SequenceRecommender`.

    Attributes:
        embedding_dim: Width `D` of the item table and of the states.
        max_length: Events that are read, the newest ones.
        encoder: A name out of `recsys_tf.sequences.SEQUENCE_ENCODERS`.
        encoder_options: Further arguments of that block by name, such as `{"num_layers": 3}`.
        dropout: Dropped share of the encoder's units, where `encoder_options` do not say otherwise;
            which units these are, each encoder says.
        event_dropout: Share of the events that are hidden from the encoder while training; the
            items asked for stay.
        loss: A name out of `recsys_tf.tasks.RETRIEVAL_LOSSES`; `in_batch` takes the items that the
            batch's questions ask for as each other's negatives.
        loss_options: Further arguments of the loss by name, such as `{"num_negatives": 256}`.
        windows: Training rows of a user with more than `max_length` events: the `newest` ones
            alone, or `all` of them, cut into rows one after the other.
        is_packed: Whether several short histories share a training row, one after the other and
            kept apart, so that nearly all rows are full. False puts rows of like length together,
            which pads more and lets an event look at fewer others. Not for every encoder, nor with
            `has_request_times`.
        order: What becomes of events that do not stand in the order of time within their user:
            `sort` sorts and counts them, see `SequenceData.num_unsorted`; `refuse` raises.
        masked_share: Share of the events that are masked and asked for, where the encoder reads
            in both directions.
        has_times: Whether the time between an event and the one before it is read, by powers of
            two of a second; an encoder with times of its own (`hstu`) gets them too.
        has_request_times: Whether the time from each event to the question after it is read: in
            training the time of the item asked for, when it serves that of the request. It tells
            a list that goes on from one that is taken up days later. Needs `has_times`, and an
            encoder that reads forward.
        request_time_dropout: Share of those times that training hides, so that the model learns to
            answer a request that does not tell its own; 0 where every request does.
        actions: The kinds of action that are told apart, as the action's column names them; a
            whole number by its digits. Others count as one unknown kind. Empty for one kind.
        action_column: The column of `Interactions.events` with each event's kind, needed where
            `SequenceData` is to read `actions`.
        content_features: Names of features of the item that are added to its vector wherever it
            is read or scored: ready-made embeddings, categories, and texts, which the pretrained
            encoder of `RunConfig.model.text` reads once.
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
    is_packed: bool = False
    order: Literal["sort", "refuse"] = "sort"
    masked_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    has_times: bool = False
    has_request_times: bool = False
    request_time_dropout: Rate = 0.1
    actions: tuple[str, ...] = ()
    action_column: str | None = None
    content_features: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _cross_check(self) -> SequenceConfig:
        faults = []
        if self.action_column is not None and not self.actions:
            faults.append("action_column: has no meaning without the names of `actions`")
        if self.has_request_times and not self.has_times:
            faults.append("has_request_times: needs `has_times`, the time it is counted from")
        if self.has_request_times and self.is_packed:
            faults.append(
                "is_packed: must be false with `has_request_times`, which is one time a row"
            )
        for field in ("actions", "content_features"):
            names = getattr(self, field)
            if "" in names or len(set(names)) < len(names):
                faults.append(f"{field}: must be different names, none empty, received {names}")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def num_actions(self) -> int:
        """Rows of the table of actions with the two reserved ones; 0 without `actions`."""
        return len(self.actions) + NUM_RESERVED_INDICES if self.actions else 0

    @property
    def step_columns(self) -> tuple[str, ...]:
        """What a model reads of each event beside its item, by the name in the batches."""
        wanted = {"actions": bool(self.actions), "times": self.has_times}
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    @property
    def row_columns(self) -> tuple[str, ...]:
        """What a model reads of each row beside its events, by the name in the batches."""
        return ("asked_at",) if self.has_request_times else ()
