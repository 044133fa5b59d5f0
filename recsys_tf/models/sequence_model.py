"""What a sequential recommender computes: states of histories, and scores of all items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from typing_extensions import Self

from recsys_tf.config import SequenceConfig
from recsys_tf.encoders import IdEncoder
from recsys_tf.layers.shapes import check_positive
from recsys_tf.models.block_options import check_sequence_blocks
from recsys_tf.models.dtypes import layers_of_dtype
from recsys_tf.models.sequence_parts import (
    make_event_encoder,
    make_item_content,
    make_sequence_encoder,
    step_column,
    with_mask,
)
from recsys_tf.sequences import last_state
from recsys_tf.tasks import ContentTable
from recsys_tf.types import (
    NUM_RESERVED_INDICES,
    PADDING_INDEX,
    UNKNOWN_INDEX,
    FloatArray,
    Tensor,
)

# Below any score, and finite.
_EXCLUDED = -1e30


class SequenceModel(keras.Model):
    """Reads histories and scores items: `s_ln = h_l . E[n]` with `h = encoder(E[x])`.

    `SequenceRecommender`, which tells what the letters mean, adds how it is trained and measured.

    Args:
        num_indices: Rows of the item table with the two reserved ones.
        config: Sizes and encoder.
        content: float `[num_rows, F]`, what is fixed about each item; None for items without.
        **kwargs: Arguments of `keras.Model`; `dtype` is that of the layers.

    Raises:
        SpecError: If the configuration names an unknown block or option.
        ValueError: If `num_indices` has no row for an item, `content` is not finite or of fewer
            rows, or the time of a question is to be read by an encoder of both directions.
    """

    def __init__(
        self,
        num_indices: int,
        config: SequenceConfig | None = None,
        content: FloatArray | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_indices = check_positive("num_indices", num_indices)
        if num_indices <= NUM_RESERVED_INDICES:
            raise ValueError(
                f"`num_indices` must be more than the {NUM_RESERVED_INDICES} reserved indices, "
                f"received {num_indices}: no item is known."
            )
        self.config = config or SequenceConfig()
        check_sequence_blocks(self.config)
        config = self.config
        with layers_of_dtype(self.dtype_policy):
            self.item_encoder = IdEncoder(
                num_indices,
                config.embedding_dim,
                id_dropout=config.event_dropout,
                initial_stddev=0.02,
                name="item_encoder",
            )
            self.item_content = make_item_content(content, num_indices, config.embedding_dim)
            self.event_encoder = make_event_encoder(config)
            self.sequence_encoder = make_sequence_encoder(config)
        # No row of the table: whoever reads that, a loss for instance, finds items alone in it.
        self.mask_vector = None
        if not self.is_causal:
            self.mask_vector = self.add_weight(
                name="mask_vector",
                shape=(config.embedding_dim,),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
            )
        empty = {name: np.zeros((1, 1), np.int32) for name in ("items", *config.step_columns)}
        self.call({**empty, **{name: np.zeros(1, np.int32) for name in config.row_columns}})

    @property
    def is_causal(self) -> bool:
        """Whether a state reads the events up to its own alone."""
        return type(self.sequence_encoder).is_causal

    @property
    def mask_index(self) -> int | None:
        """The index that masks an event, None where nothing is masked."""
        return None if self.is_causal else self.num_rows

    @property
    def num_rows(self) -> int:
        """Indices of items: those of the table, and behind them those with content alone."""
        return self.num_indices if self.item_content is None else self.item_content.num_indices

    @property
    def item_vectors(self) -> FloatArray:
        """What items are scored by, with their content, float32 `[num_rows, D]`."""
        return self._all_vectors().numpy()

    @property
    def id_variables(self) -> dict[str, list[keras.Variable]]:
        """What has a row for each of the `items`: the table; `grow_tables` numbers it anew."""
        return {"items": [self.item_encoder.table]}

    @property
    def item_table(self) -> keras.Variable | ContentTable:
        """What items that training has met are scored by, a row an index."""
        table, content = self.item_encoder.table, self.item_content
        return table if content is None else ContentTable(table, content.content, content.kernel)

    def build(self, inputs_shape: Any = None) -> None:
        """Does nothing: the layers are built with the model."""

    def call(self, inputs: Mapping[str, Tensor], training: bool = False) -> Tensor:
        """Computes the states of all positions.

        Args:
            inputs: `items`, int `[B, L]`, oldest first; 0 is padding, at any place. Where the
                configuration has them, `actions`, int `[B, L]`, and `times`, int `[B, L]`, in
                seconds since any moment; a time before that of the event before counts as equal.
                `asked_at`, int `[B]`, when what comes after the row's last event is asked for; 0
                where that is not known. Where a row holds several sequences, one after the other
                as `make_sequence_dataset(is_packed=True)` makes them, `positions`, int `[B, L]`,
                each event's place in its own.
            training: Whether dropout is on.

        Returns:
            Float `[B, L, D]`; zeros at padding.
        """
        items = step_column(inputs, "items")
        names = (*self.config.step_columns, *self.config.row_columns)
        columns = {name: step_column(inputs, name) for name in names}
        packed = {"positions": step_column(inputs, "positions")} if "positions" in inputs else {}
        is_valid = ops.not_equal(items, PADDING_INDEX)
        is_masked = ops.equal(items, self.num_rows)
        # Of a masked event nothing is known, as of the one that is asked for when it serves.
        is_shown = ops.logical_and(is_valid, ops.logical_not(is_masked))
        if self.mask_vector is not None:
            items = ops.where(is_shown, items, PADDING_INDEX)
        events = self.item_encoder(self._known(items), training=training)
        if self.item_content is not None:
            events = events + self.item_content(items)
        if self.mask_vector is not None:
            mask = ops.cast(self.mask_vector, events.dtype)
            events = ops.where(ops.expand_dims(is_masked, -1), mask, events)
        if self.event_encoder is not None:
            events = self.event_encoder(events, is_shown, **columns, **packed, training=training)
        if getattr(self.sequence_encoder, "has_times", False):
            packed["times"] = columns["times"]
        return self.sequence_encoder(events, is_valid, **packed, training=training)

    def last_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Computes what is known of a user after his last event.

        Args:
            inputs: As of `call`, one sequence a row.

        Returns:
            Float `[B, D]`; zeros for an empty history.

        Raises:
            ValueError: If rows are packed, of which `positions` tell.
        """
        if "positions" in inputs:
            raise ValueError(
                "`inputs` must hold one sequence a row, received 'positions': a packed row has "
                "several last events; give each history a row of its own."
            )
        names = ("items", *self.config.step_columns, *self.config.row_columns)
        inputs = {name: step_column(inputs, name) for name in names}
        if self.mask_index is not None:
            longer = {n: ops.pad(each, [[0, 0], [0, 1]]) for n, each in inputs.items()}
            inputs = {**longer, "items": with_mask(inputs["items"], self.mask_index)}
        return last_state(self(inputs), ops.not_equal(inputs["items"], PADDING_INDEX))

    def scores(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Scores all items for histories.

        Args:
            inputs: As of `last_states`.

        Returns:
            float32 `[B, num_rows]`; the reserved indices have the lowest score of all.
        """
        states = ops.cast(self.last_states(inputs), "float32")
        is_item = ops.arange(self.num_rows) >= NUM_RESERVED_INDICES
        scores = ops.matmul(states, ops.transpose(self._all_vectors()))
        return ops.where(is_item, scores, _EXCLUDED)

    def _known(self, items: Tensor) -> Tensor:
        """Hides the ids of items behind the table as unknown."""
        if self.num_rows == self.num_indices:
            return items
        return ops.where(items < self.num_indices, items, UNKNOWN_INDEX)

    def _all_vectors(self) -> Tensor:
        """Returns what items are scored by, `[num_rows, D]`."""
        table = self.item_table
        is_joined = isinstance(table, ContentTable)
        return table.rows_with_others() if is_joined else tf.convert_to_tensor(table)

    def predict_step(self, data: Any) -> Tensor:
        """Scores all items; called by `predict` with what `last_states` takes."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.scores(x)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain values."""
        config = {
            "num_indices": self.num_indices,
            "config": self.config.to_dict(),
            # The numbers themselves are weights.
            "content_dim": self.item_content and self.item_content.content_dim,
            "num_rows": self.num_rows,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Builds the model from `get_config`'s result."""
        config = dict(config)
        width = config.pop("content_dim", None)
        # Saved before there were other rows, a model tells of none.
        num_rows = config.pop("num_rows", config["num_indices"])
        content = None if width is None else np.zeros((num_rows, width), np.float32)
        config["config"] = SequenceConfig.from_dict(config["config"])
        return cls(content=content, **config)
