"""A recommender of the next item that reads nothing but the items before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from recsys_tf.config import SequenceConfig
from recsys_tf.encoders import IdEncoder
from recsys_tf.layers.shapes import check_positive
from recsys_tf.models.batches import OF_LOSSES, check_compiled
from recsys_tf.models.block_options import check_sequence_blocks
from recsys_tf.models.dtypes import layers_of_dtype
from recsys_tf.models.sequence_parts import (
    make_event_encoder,
    make_item_content,
    make_sequence_encoder,
    num_before,
    question_weights,
    step_column,
    with_mask,
    without_seen,
)
from recsys_tf.sequences import last_state
from recsys_tf.tasks import ContentTable, make_retrieval_loss
from recsys_tf.types import (
    NUM_RESERVED_INDICES,
    PADDING_INDEX,
    UNKNOWN_INDEX,
    Array,
    FloatArray,
    Tensor,
)

_CUTOFF = 10
# Below any score, and finite.
_EXCLUDED = -1e30


@keras.saving.register_keras_serializable(package="recsys_tf")
class SequenceRecommender(keras.Model):
    """Predicts the next item at every position of a history at once: `s_ln = h_l . E[n]`.

    `h = encoder(E[x])`, `h_l` being what the encoder makes of the events up to the `l`-th, and
    `E` the one table of the items, by which they are read and scored. One pass over a row of `L`
    events thus asks `L` questions. An encoder that reads in both directions is asked for events
    that are masked instead (BERT4Rec), and for one masked event at the end when it serves.

    No user has an id here: whoever has a history is known, and a new event counts at once. Beside
    its item an event may have a kind of action and a time (`EventEncoder`), and each item fixed
    content, `E[n] + C[n] W`, that is read and scored with it (`ItemContent`). Content tells items
    apart that training has not met, too: such a one is read as `E[1] + C[n] W`, of the unknown id,
    and scored by `C[n] W` alone. Training takes it neither for a negative nor for a positive: never
    chosen, as it was not there to be, its content would only be pushed away from all users.

    `compile` needs an optimiser only; `fit` takes `make_sequence_dataset`'s batches, `evaluate`
    batches with one label a row, at its end, and reports `hit_at_10` and `ndcg_at_10` among all
    items but those of the row itself, or those of its `seen`, int `[B, S]`, where the batch has
    them; ties count against the item asked for. `fit` reports them of its validation rows alone.
    Its `loss` is, as these, a mean over the questions by their weights; that of `fit` is the mean
    of the batches', weighed by their rows.

    Args:
        num_indices: Rows of the item table with the two reserved ones.
        config: Sizes, encoder and loss.
        content: float `[num_rows, F]`, what is fixed about each item, as `SequenceData.content`
            makes it: numbers of about length 1 a row, since an item's own vector starts small.
            Rows behind the `num_indices` first are of items that training has not met. It is saved
            with the weights. Where the item's id is hidden by `event_dropout`, its content stays,
            which teaches the model to read such items. None for items without.
        **kwargs: Arguments of `keras.Model`; `dtype` is that of the layers.

    Raises:
        SpecError: If the configuration names an unknown block or option.
        TypeError: If items, actions or times are not integers.
        ValueError: If `num_indices` has no row for an item, `content` is not finite or of fewer
            rows, a batch lacks `items` or a column that the configuration names, its weights are
            not `[B, L]`, or the time of a question is to be read by an encoder of both directions.

    Example:
        >>> model = SequenceRecommender(12, SequenceConfig(embedding_dim=8, max_length=5))
        >>> model.predict({"items": np.array([[3, 4, 0]])}, verbose=0).shape
        (1, 12)

    Source: Kang and McAuley, 2018, "Self-Attentive Sequential Recommendation",
        https://arxiv.org/abs/1808.09781, section III, for the questions and the shared table;
        Klenitskiy and Vasilev, 2023, "Turning Dross Into Gold Loss",
        https://arxiv.org/abs/2309.07602, for the softmax over all items, which is the default.
    """

    def __init__(
        self,
        num_indices: int,
        config: SequenceConfig | None = None,
        content: FloatArray | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.jit_compile = False  # Of a model that is not compiled; see `compile`.
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
        self.retrieval_loss = make_retrieval_loss(config.loss, **config.loss_options)
        self.hit = keras.metrics.Mean(name=f"hit_at_{_CUTOFF}")
        self.ndcg = keras.metrics.Mean(name=f"ndcg_at_{_CUTOFF}")
        empty = {name: np.zeros((1, 1), np.int32) for name in ("items", *config.step_columns)}
        self.call({**empty, **{name: np.zeros(1, np.int32) for name in config.row_columns}})
        # All variables are there, so the optimiser's can be made before the step is traced.
        self.built = True

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
    def held_out_metrics(self) -> tuple[str, ...]:
        """Names of the metrics that `evaluate` takes, and `fit` of its validation rows alone."""
        return self.hit.name, self.ndcg.name

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

    def compile(
        self, optimizer: Any = "adam", jit_compile: bool | str = False, **kwargs: Any
    ) -> None:
        """Configures training.

        Args:
            optimizer: A Keras optimiser or its name.
            jit_compile: Whether XLA compiles the steps. Keras's "auto" would have it do so on a
                GPU, and it compiles no loss whose number of questions only the batch tells.
            **kwargs: Other arguments of `keras.Model.compile`, but for losses and metrics, which
                the model has.

        Raises:
            ValueError: If a loss or metric is given.
        """
        check_compiled(
            kwargs,
            "the model's questions give loss and metrics. `config.loss` and `config.loss_options` "
            "name the loss.",
        )
        super().compile(optimizer, jit_compile=jit_compile, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model."""
        # Models of before were saved with losses and metrics that nothing had read.
        config = {name: each for name, each in config.items() if name not in OF_LOSSES}
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def build(self, inputs_shape: Any = None) -> None:
        """Does nothing: the layers are built with the model."""

    def call(self, inputs: Mapping[str, Tensor], training: bool = False) -> Tensor:
        """Computes the states of all positions.

        Args:
            inputs: `items`, int `[B, L]`, oldest first; 0 is padding, at any place. Where the
                configuration has them, `actions`, int `[B, L]`, and `times`, int `[B, L]`, in
                seconds since any moment; a time before that of the event before counts as equal.
                `asked_at`, int `[B]`, when what comes after the row's last event is asked for; 0
                where that is not known.
            training: Whether dropout is on.

        Returns:
            Float `[B, L, D]`; zeros at padding.
        """
        items = step_column(inputs, "items")
        names = (*self.config.step_columns, *self.config.row_columns)
        columns = {name: step_column(inputs, name) for name in names}
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
            events = self.event_encoder(events, is_shown, **columns, training=training)
        if getattr(self.sequence_encoder, "has_times", False):
            return self.sequence_encoder(events, is_valid, columns["times"], training=training)
        return self.sequence_encoder(events, is_valid, training=training)

    def last_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Computes what is known of a user after his last event.

        Args:
            inputs: As of `call`.

        Returns:
            Float `[B, D]`; zeros for an empty history.
        """
        names = ("items", *self.config.step_columns, *self.config.row_columns)
        inputs = {name: step_column(inputs, name) for name in names}
        if self.mask_index is not None:
            longer = {n: ops.pad(each, [[0, 0], [0, 1]]) for n, each in inputs.items()}
            inputs = {**longer, "items": with_mask(inputs["items"], self.mask_index)}
        return last_state(self(inputs), ops.not_equal(inputs["items"], PADDING_INDEX))

    def scores(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Scores all items for histories.

        Args:
            inputs: As of `call`.

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

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Computes the mean loss of all questions; called by `fit` and `evaluate`."""
        asked = tf.where(tf.not_equal(y, PADDING_INDEX))
        loss = self.retrieval_loss(
            tf.gather_nd(y_pred, asked),
            self._known(tf.gather_nd(y, asked)),
            self.item_table,
            question_weights(sample_weight, asked),
            training=training,
        )
        return loss + sum(self.losses)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns what a step of training measures: the loss, and no rank; called by `fit`."""
        values = super().compute_metrics(x, y, y_pred, sample_weight)
        return {name: each for name, each in values.items() if name not in self.held_out_metrics}

    def test_step(self, data: Any) -> Any:
        """Measures loss and ranks of the questions of a batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, seen = without_seen(x)
        states = self(x, training=False)
        loss = self.compute_loss(x, y, states, sample_weight, training=False)
        asked = tf.where(tf.not_equal(y, PADDING_INDEX))
        items, weights = tf.gather_nd(y, asked), question_weights(sample_weight, asked)
        # The loss is a mean over these; rows without a question are none of them.
        is_known = self._known(items) >= NUM_RESERVED_INDICES
        num_averaged = tf.reduce_sum(tf.where(is_known, weights, 0.0))
        self._loss_tracker.update_state(loss, sample_weight=num_averaged)
        ranks = self._ranks(tf.gather_nd(states, asked), items, tf.gather(seen, asked[:, 0]))
        # An item of which nothing is known is never answered, and so never found.
        is_hit = tf.cast((ranks < _CUTOFF) & (items >= NUM_RESERVED_INDICES), tf.float32)
        self.hit.update_state(is_hit, sample_weight=weights)
        gain = is_hit * np.log(2.0) / tf.math.log(ranks + 2.0)
        self.ndcg.update_state(gain, sample_weight=weights)
        return self.get_metrics_result()

    def predict_step(self, data: Any) -> Tensor:
        """Scores all items; called by `predict` with what `call` takes."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.scores(x)

    def _ranks(self, states: Tensor, positives: Tensor, seen: Tensor) -> Tensor:
        """Counts the items that stand before the positives, float `[M]`; see `num_before`."""
        scores = tf.matmul(tf.cast(states, tf.float32), self._all_vectors(), transpose_b=True)
        return num_before(scores, positives, seen)

    def set_weights(self, weights: list[Array]) -> None:
        """Sets the weights; what the loss has kept of others is of no use any more."""
        super().set_weights(weights)
        self.retrieval_loss.forget()

    def load_own_variables(self, store: Any) -> None:
        """Loads the variables, as `set_weights` does."""
        super().load_own_variables(store)
        self.retrieval_loss.forget()

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
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SequenceRecommender:
        """Builds the model from `get_config`'s result."""
        config = dict(config)
        width = config.pop("content_dim", None)
        # Saved before there were other rows, a model tells of none.
        num_rows = config.pop("num_rows", config["num_indices"])
        content = None if width is None else np.zeros((num_rows, width), np.float32)
        config["config"] = SequenceConfig.from_dict(config["config"])
        return cls(content=content, **config)
