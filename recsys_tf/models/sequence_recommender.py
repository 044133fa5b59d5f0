"""A recommender of the next item that reads nothing but the items before it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from recsys_tf.config import SequenceConfig
from recsys_tf.encoders import IdEncoder
from recsys_tf.layers.shapes import check_positive
from recsys_tf.models.block_options import check_sequence_blocks
from recsys_tf.models.dtypes import layers_of_dtype
from recsys_tf.sequences import SEQUENCE_ENCODERS, last_state
from recsys_tf.tasks import make_retrieval_loss
from recsys_tf.types import NUM_RESERVED_INDICES, PADDING_INDEX, FloatArray, Tensor

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

    No user has an id here: whoever has a history is known, and a new event counts at once.
    `compile` needs an optimiser only; `fit` takes `make_sequence_dataset`'s batches, `evaluate`
    batches with one label a row, at its end, and reports `hit_at_10` and `ndcg_at_10` among all
    items but those of the row itself.

    Args:
        num_indices: Rows of the item table with the two reserved ones.
        config: Sizes, encoder and loss.
        **kwargs: Arguments of `keras.Model`; `dtype` is that of the layers.

    Raises:
        SpecError: If the configuration names an unknown block or option.
        ValueError: If `num_indices` has no row for an item.

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
        self, num_indices: int, config: SequenceConfig | None = None, **kwargs: Any
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
                # The masked event has a vector of its own, after the items'.
                num_indices + 1,
                config.embedding_dim,
                id_dropout=config.event_dropout,
                initial_stddev=0.02,
                name="item_encoder",
            )
            self.sequence_encoder = _make_encoder(config)
            self.dropout = keras.layers.Dropout(config.dropout, name="dropout")
        self.retrieval_loss = make_retrieval_loss(config.loss, **config.loss_options)
        self.hit = keras.metrics.Mean(name=f"hit_at_{_CUTOFF}")
        self.ndcg = keras.metrics.Mean(name=f"ndcg_at_{_CUTOFF}")
        self.call({"items": np.zeros((1, 1), np.int32)})
        # All variables are there, so the optimiser's can be made before the step is traced.
        self.built = True

    @property
    def is_causal(self) -> bool:
        """Whether a state reads the events up to its own alone."""
        return type(self.sequence_encoder).is_causal

    @property
    def mask_index(self) -> int | None:
        """The index that masks an event, None where nothing is masked."""
        return None if self.is_causal else self.num_indices

    @property
    def item_vectors(self) -> FloatArray:
        """The items' vectors by index, float32 `[num_indices, D]`."""
        return ops.convert_to_numpy(self.item_encoder.table)[: self.num_indices]

    def build(self, inputs_shape: Any = None) -> None:
        """Does nothing: the layers are built with the model."""

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        """Computes the states of all positions.

        Args:
            inputs: `items`, int `[B, L]`; 0 is padding, at any place.
            training: Whether dropout is on.

        Returns:
            Float `[B, L, D]`; zeros at padding.
        """
        items = ops.convert_to_tensor(inputs["items"])
        events = self.item_encoder(items, training=training)
        events = self.dropout(events, training=training)
        is_valid = ops.not_equal(items, PADDING_INDEX)
        return self.sequence_encoder(events, is_valid, training=training)

    def last_states(self, items: Tensor) -> Tensor:
        """Computes what is known of a user after his last event.

        Args:
            items: int `[B, L]`, histories, oldest first; 0 is padding.

        Returns:
            Float `[B, D]`; zeros for an empty history.
        """
        items = ops.convert_to_tensor(items)
        if self.mask_index is not None:
            items = _with_mask(items, self.mask_index, self.config.max_length)
        return last_state(self({"items": items}), ops.not_equal(items, PADDING_INDEX))

    def scores(self, items: Tensor) -> Tensor:
        """Scores all items for histories, int `[B, L]` -> float32 `[B, num_indices]`.

        The reserved indices have the lowest score of all.
        """
        states = ops.cast(self.last_states(items), "float32")
        table = ops.convert_to_tensor(self.item_encoder.table)[: self.num_indices]
        is_item = ops.arange(self.num_indices) >= NUM_RESERVED_INDICES
        return ops.where(is_item, ops.matmul(states, ops.transpose(table)), _EXCLUDED)

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
        weights = None if sample_weight is None else tf.gather_nd(sample_weight, asked)
        loss = self.retrieval_loss(
            tf.gather_nd(y_pred, asked),
            tf.gather_nd(y, asked),
            self.item_encoder.table,
            weights,
        )
        return loss + sum(self.losses)

    def test_step(self, data: Any) -> Any:
        """Measures loss and ranks of the questions of a batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        states = self(x, training=False)
        loss = self.compute_loss(x, y, states, sample_weight, training=False)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(y)[0])
        asked = tf.where(tf.not_equal(y, PADDING_INDEX))
        ranks = self._ranks(
            tf.gather_nd(states, asked), tf.gather_nd(y, asked), tf.gather(x["items"], asked[:, 0])
        )
        is_hit = tf.cast(ranks < _CUTOFF, tf.float32)
        self.hit.update_state(is_hit)
        self.ndcg.update_state(is_hit * np.log(2.0) / tf.math.log(ranks + 2.0))
        return self.get_metrics_result()

    def predict_step(self, data: Any) -> Tensor:
        """Scores all items; called by `predict` with `{"items": int [B, L]}`."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.scores(x["items"])

    def _ranks(self, states: Tensor, positives: Tensor, seen: Tensor) -> Tensor:
        """Counts the items that stand before the positives, float `[M]`; seen ones do not."""
        table = tf.convert_to_tensor(self.item_encoder.table)[: self.num_indices]
        scores = tf.matmul(tf.cast(states, tf.float32), table, transpose_b=True)
        own = tf.gather(scores, positives, batch_dims=1)[:, tf.newaxis]
        is_before = tf.cast(scores[:, NUM_RESERVED_INDICES:] > own, tf.float32)
        # A seen item counts once, however often it was met; padding and masks are no items.
        seen = tf.where(seen < self.num_indices, seen, PADDING_INDEX)
        rows = tf.repeat(tf.range(tf.shape(seen)[0]), tf.shape(seen)[1])
        cells = tf.stack([rows, tf.cast(tf.reshape(seen, [-1]), tf.int32)], axis=1)
        shape = tf.stack([tf.shape(seen)[0], self.num_indices])
        is_seen = tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1]), shape) > 0
        unseen = tf.cast(~is_seen[:, NUM_RESERVED_INDICES:], tf.float32)
        return tf.reduce_sum(is_before * unseen, axis=1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain values."""
        config = {"num_indices": self.num_indices, "config": self.config.to_dict()}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SequenceRecommender:
        """Builds the model from `get_config`'s result."""
        config = dict(config)
        return cls(config=SequenceConfig.from_dict(config.pop("config")), **config)


def _make_encoder(config: SequenceConfig) -> keras.layers.Layer:
    block = SEQUENCE_ENCODERS[config.encoder]
    options: dict[str, Any] = {"dropout": config.dropout, **config.encoder_options}
    # A masked event stands after the newest one.
    length = config.max_length if block.is_causal else config.max_length + 1
    return block(max_length=length, **options, name="sequence_encoder")


def _with_mask(items: Tensor, mask_index: int, max_length: int) -> Tensor:
    """Puts the mask after the last event of each row, and padding after it."""
    is_valid = ops.not_equal(items, PADDING_INDEX)
    places = ops.arange(ops.shape(items)[1] + 1)
    last = ops.max(ops.where(is_valid, places[1:], 0), axis=1, keepdims=True)
    longer = ops.pad(items, [[0, 0], [0, 1]])
    return ops.where(ops.equal(places, last), ops.cast(mask_index, items.dtype), longer)
