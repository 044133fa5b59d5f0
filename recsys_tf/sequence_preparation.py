"""From interactions to sequences that a model can be trained and measured on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import tensorflow as tf

from recsys_tf.config import SequenceConfig
from recsys_tf.features import (
    Examples,
    Sequences,
    id_indices,
    make_question_dataset,
    make_sequence_dataset,
    make_sequences,
)
from recsys_tf.preparation import Part, PreparedData
from recsys_tf.types import IntArray


@dataclass(frozen=True)
class SequenceData:
    """The users' events of prepared data, in the order of time and by the items' indices.

    Attributes:
        data: The data set, cut into parts.
        config: Lengths and windows.
    """

    data: PreparedData
    config: SequenceConfig = field(default_factory=SequenceConfig)

    @cached_property
    def event_items(self) -> IntArray:
        """Index of each event's item, int64 `[E]`; 1 where training has not met it."""
        return self._indices(self.data.interactions.events[self.data.schema.item_id].to_numpy())

    @cached_property
    def catalogue_items(self) -> IntArray:
        """Index of each item of the catalogue, int64 `[N]`, in the order of `items`."""
        return self._indices(self.data.interactions.items[self.data.schema.item_id].to_numpy())

    @property
    def num_indices(self) -> int:
        """Rows of the item table."""
        return self.data.state.num_indices(self.data.schema.item_id)

    def sequences(self, part: Part) -> Sequences:
        """Makes each user's history of the rows that may be known when a part is answered for.

        Args:
            part: `train` and `validation` know the training rows, `test` the validation rows too.

        Returns:
            One sequence a user, in the order of `interactions.users`; empty for a new one.
        """
        schema, interactions = self.data.schema, self.data.interactions
        return make_sequences(
            interactions.events[schema.user_id].to_numpy(),
            self.event_items,
            interactions.events[schema.timestamp].to_numpy(),
            interactions.users[schema.user_id].to_numpy(),
            self.data.known_rows(part),
        )

    def train_dataset(
        self, mask_index: int | None = None, users: IntArray | None = None
    ) -> tf.data.Dataset:
        """Makes training batches; see `make_sequence_dataset`.

        Args:
            mask_index: The model's `mask_index`.
            users: Positions of the users that are trained on; None takes all.
        """
        training = self.data.config.training
        sequences = self.sequences("train")
        return make_sequence_dataset(
            sequences if users is None else sequences.take(users),
            self.config.max_length,
            training.batch_size,
            training.seed,
            windows=self.config.windows,
            mask_index=mask_index,
            masked_share=self.config.masked_share,
        )

    def question_dataset(self, part: Part, mask_index: int | None = None) -> tf.data.Dataset:
        """Makes batches that ask for each user's first held-out item; see `make_question_dataset`.

        Args:
            part: Whose rows are held out.
            mask_index: The model's `mask_index`.
        """
        users, items = self._first_held_out(part)
        return make_question_dataset(
            self.sequences(part).take(users),
            items,
            self.config.max_length,
            self.data.config.evaluation.user_batch_size,
            mask_index=mask_index,
        )

    def _first_held_out(self, part: Part) -> tuple[IntArray, IntArray]:
        schema, interactions = self.data.schema, self.data.interactions
        events = interactions.events
        held_out = make_sequences(
            events[schema.user_id].to_numpy(),
            self.event_items,
            events[schema.timestamp].to_numpy(),
            interactions.users[schema.user_id].to_numpy(),
            self.data.rows(part),
        )
        users = np.flatnonzero(held_out.lengths)
        return users, held_out.items[held_out.starts[users]]

    def _indices(self, items: IntArray) -> IntArray:
        schema = self.data.schema
        column = Examples({schema.item_id: items.astype(object)})
        return id_indices(schema.item_id, column, self.data.preprocessor, schema)
