"""From interactions to sequences that a model can be trained and measured on."""

from __future__ import annotations

import logging
from dataclasses import InitVar, dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import tensorflow as tf

from recsys_tf.config import SequenceConfig
from recsys_tf.features import (
    Examples,
    Sequences,
    action_indices,
    id_indices,
    make_question_dataset,
    make_sequence_dataset,
    make_sequences,
)
from recsys_tf.features.frames import FrameColumns
from recsys_tf.models.block_options import check_sequence_blocks
from recsys_tf.preparation.item_content import by_index, catalogue_content
from recsys_tf.preparation.prepared_data import Part, PreparedData, check_no_recency
from recsys_tf.types import UNKNOWN_INDEX, Array, FloatArray, IntArray

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class SequenceData:
    """The users' events of prepared data, in the order of time and by the items' indices.

    An item that training has not met has the index 1, as every unknown one, unless content tells it
    from others: then it has an index of its own, from `num_indices` on, in the catalogue's order.

    Args:
        data: The data set, cut into parts.
        given: What takes the place of the run's `sequence`; None takes that, or the defaults where
            the run has none.

    Attributes:
        data: The data set, cut into parts.
        config: Lengths and windows, the action's column, the items' content.

    Raises:
        SpecError: If the configuration names an unknown block or option, or packs rows for an
            encoder that cannot keep them apart.
        TypeError: If ids are no strings, or timestamps no whole numbers; the text names the column.
        ValueError: If the configuration names a column or a feature that there is not, where the
            text names the nearest ones, or reads times where only the events' order is known; if
            rows are to be weighed by their age, which is done for single rows alone; or, when
            sequences are made, if events are unsorted and `config.order` refuses that.
    """

    data: PreparedData
    given: InitVar[SequenceConfig | None] = None
    config: SequenceConfig = field(init=False)

    def __post_init__(self, given: SequenceConfig | None) -> None:
        """Checks the blocks' names, and that there are times where they are to be read."""
        if given is not None:  # The run's own was checked when its data were prepared.
            check_sequence_blocks(given)
        config = given or self.data.config.sequence or SequenceConfig()
        object.__setattr__(self, "config", config)
        check_no_recency(
            self.data.config, "sequences, whose events are weighed alike, however old they are"
        )
        if self.config.has_times and not self.data.interactions.is_time_comparable:
            raise ValueError(
                "`has_times` must be false for a data set that knows only the order of the events "
                "within each user: its timestamps are places in a row, and the time between two of "
                "them means nothing."
            )

    @cached_property
    def event_items(self) -> IntArray:
        """Index of each event's item, int64 `[E]`; 1 where nothing is known of it."""
        items = self._events.strings(self.data.schema.item_id)
        indices = self._indices(items)
        is_unknown = indices == UNKNOWN_INDEX
        if self.config.content_features and is_unknown.any():
            places = pd.Index(self._catalogue_ids).get_indexer(pd.Index(items[is_unknown]))
            # Behind the last stands what is in no catalogue.
            indices[is_unknown] = np.append(self.catalogue_items, UNKNOWN_INDEX)[places]
        return indices

    @cached_property
    def event_actions(self) -> IntArray | None:
        """Kind of each event, int64 `[E]`: 0 missing, 1 unknown, then `config.actions` in order.

        None where the configuration has no kinds.
        """
        if not self.config.actions:
            return None
        name = self.config.action_column
        if name is None:
            raise ValueError(
                "`config.action_column` must name the column of `events` that holds each event's "
                f"kind, one of {', '.join(map(repr, self.config.actions))}, received None."
            )
        return action_indices(self._events.names(name), self.config.actions)

    @cached_property
    def catalogue_items(self) -> IntArray:
        """Index of each item of the catalogue, int64 `[N]`, in the order of `items`."""
        indices = self._indices(self._catalogue_ids)
        if self._catalogue_content is not None:
            is_new = (indices == UNKNOWN_INDEX) & self._catalogue_content.any(axis=1)
            indices[is_new] = self.num_indices + np.arange(is_new.sum())
        return indices

    @cached_property
    def content(self) -> FloatArray | None:
        """What `config.content_features` say of each item, float32 `[num_rows, F]`, or None."""
        content, indices = self._catalogue_content, self.catalogue_items
        if content is None:
            return None
        return by_index(content, indices, self.num_rows)

    @cached_property
    def num_unsorted(self) -> int:
        """Events, of all parts, that stand before an earlier one of their user, and are moved.

        The log tells their number once, when it is first counted.
        """
        found = self._ordered().num_unsorted
        if found:
            counts = f"{found:,} of {len(self.event_items):,} events"
            _LOGGER.info("%s stood before an earlier one of their user: sorted by time.", counts)
        return found

    @cached_property
    def popularity(self) -> IntArray:
        """Training events of each index, int64 `[num_indices]`."""
        trained_on = self.event_items[self.data.train_rows]
        # The preprocessing's `min_count` keeps items that training has met out of the table.
        trained_on = np.where(trained_on < self.num_indices, trained_on, UNKNOWN_INDEX)
        return np.bincount(trained_on, minlength=self.num_indices)

    @property
    def catalogue_popularity(self) -> IntArray:
        """Training events of each item of the catalogue, int64 `[N]`; 0 behind the table."""
        return np.append(self.popularity, 0)[np.minimum(self.catalogue_items, self.num_indices)]

    @property
    def num_indices(self) -> int:
        """Rows of the item table."""
        return self.data.state.num_indices(self.data.schema.item_id)

    @property
    def num_rows(self) -> int:
        """Indices of items: those of the table, and behind them those with content alone."""
        return max(self.num_indices, int(self.catalogue_items.max(initial=0)) + 1)

    def sequences(self, part: Part) -> Sequences:
        """Makes each user's history of the rows that may be known when a part is answered for.

        Args:
            part: `train` and `validation` know the training rows, `test` the validation rows too.

        Returns:
            One sequence a user, in the order of `interactions.users`; empty for a new one.
        """
        return self._sequences(self.data.known_rows(part))

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
            columns=(*self.config.step_columns, *self.config.row_columns),
            is_packed=self.config.is_packed,
        )

    def question_dataset(self, part: Part, mask_index: int | None = None) -> tf.data.Dataset:
        """Makes batches that ask for each user's first held-out item; see `make_question_dataset`.

        The items of the whole history, however little of it is read, are no rivals of the one
        asked for where `evaluation.is_seen_excluded` says so; else all are.

        Args:
            part: Whose rows are held out.
            mask_index: The model's `mask_index`.
        """
        users, items, times = self._first_held_out(part)
        return make_question_dataset(
            self.sequences(part).take(users),
            items,
            self.config.max_length,
            self.data.config.evaluation.user_batch_size,
            mask_index=mask_index,
            columns=(*self.config.step_columns, *self.config.row_columns),
            asked_at=times if self.config.has_request_times else None,
            is_seen_excluded=self.data.config.evaluation.is_seen_excluded,
        )

    def request_times(self, part: Part) -> IntArray:
        """When each user's first held-out item is asked for.

        Args:
            part: Whose rows are held out.

        Returns:
            int64 `[U]`, seconds, in the order of `interactions.users`; 0 for one without such rows.
        """
        users, _, times = self._first_held_out(part)
        found = np.zeros(len(self.data.interactions.users), np.int64)
        found[users] = times
        return found

    def _first_held_out(self, part: Part) -> tuple[IntArray, IntArray, IntArray]:
        held_out = self._sequences(self.data.rows(part))
        users = np.flatnonzero(held_out.lengths)
        first = held_out.starts[users]
        return users, held_out.items[first], held_out.times[first]

    def _sequences(self, rows: IntArray) -> Sequences:
        _ = self.num_unsorted  # Counted and told, or refused, of all events and not of these rows.
        return self._ordered(rows)

    def _ordered(self, rows: IntArray | None = None) -> Sequences:
        schema = self.data.schema
        users = FrameColumns(self.data.interactions.users, "users")
        return make_sequences(
            self._event_users,
            self.event_items,
            self._events.integers(schema.timestamp),
            users.strings(schema.user_id),
            rows,
            self.config.order,
            self.event_actions,
        )

    @cached_property
    def _catalogue_content(self) -> FloatArray | None:
        names = self.config.content_features
        if not names:
            return None
        preset = self.data.config.model.text.preset
        of_items = self.data.schema, self.data.catalogue, self.data.preprocessor
        return catalogue_content(names, *of_items, preset)

    @cached_property
    def _catalogue_ids(self) -> Array:
        items = FrameColumns(self.data.interactions.items, "items")
        return items.strings(self.data.schema.item_id)

    @cached_property
    def _event_users(self) -> Array:
        return self._events.strings(self.data.schema.user_id)

    @property
    def _events(self) -> FrameColumns:
        return FrameColumns(self.data.interactions.events, "events")

    def _indices(self, items: Array) -> IntArray:
        schema = self.data.schema
        column = Examples({schema.item_id: items})
        return id_indices(schema.item_id, column, self.data.preprocessor, schema)
