"""Vector of a history of items."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.encoders.event_encoder import build_event_encoder
from recsys_tf.encoders.shared_encoder import shared_encoder_config
from recsys_tf.encoders.value_deviations import value_deviations
from recsys_tf.layers import HistoryDropout
from recsys_tf.layers.inner_layers import with_layers
from recsys_tf.layers.shapes import check_rank
from recsys_tf.types import PADDING_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class HistoryEncoder(keras.layers.Layer):
    """Reads the items that a user met: `y = pool_l(e_l) + sqrt(n) mean_l(d_l E[x_l]) W + s V`.

    `E` is the item's own table, shared with the candidate, and `e_l` is `E[x_l]`, to which an
    `EventEncoder` adds what is known of the event's kind and time. The second and third term need
    the events' values `v` (ratings): `d_l = v_l - mean(v)` lets an item count for or against what
    it stands for, as far as it was liked above or below this user's mean, and
    `s = [log(1 + n), mean(v)]` tells how much is known and how kindly the user rates. The
    weighted sum is one matrix product a row; no copy of `[B, L, D]` is made for it. Without
    values only `log(1 + n) V` is added to the pooled items.

    Args:
        item_encoder: The item's encoder, int `[B, L]` -> float `[B, L, D]`, zeros at padding.
            Shared by giving the very layer that encodes the item; it may as well be one of the
            history's own.
        pooling: A layer `(float [B, L, D], bool [B, L]) -> float [B, D]`, one out of
            `HISTORY_ENCODERS`; it may or may not take `training`, and takes the events' times
            where it says so by `has_times`.
        has_values: Whether the history comes with a number for each event.
        event_encoder: An `EventEncoder` of the kinds and times; None where there are none.
        history_dropout: Mean share of the events that is dropped while training; each row draws
            its own share, see `HistoryDropout`.
        empty_history_share: Share of the rows that lose their whole history while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If values, kinds or times are given and not expected or the other way round,
            `history_dropout` is not from 0 to below 1, or an input is not of rank 2.

    Example:
        >>> import numpy as np
        >>> from recsys_tf.encoders.id_encoder import IdEncoder
        >>> from recsys_tf.layers import MaskedMeanPooling
        >>> encoder = HistoryEncoder(IdEncoder(10, 4), MaskedMeanPooling())
        >>> encoder(np.array([[3, 5, 0], [0, 0, 0]])).shape == (2, 4)
        True

    Source: Covington et al., 2016, "Deep Neural Networks for YouTube Recommendations",
        https://doi.org/10.1145/2959100.2959190, section 3.1, for the bag of shared embeddings;
        Koren, 2008, "Factorization Meets the Neighborhood",
        https://doi.org/10.1145/1401890.1401944, equation 15 (SVD++), for the sums over what was
        rated and over the ratings' deviations, each divided by the root of their number.
    """

    def __init__(
        self,
        item_encoder: keras.layers.Layer,
        pooling: keras.layers.Layer,
        has_values: bool = False,
        history_dropout: float = 0.0,
        empty_history_share: float = 0.0,
        event_encoder: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        # bfloat16 would round the values whose differences are taken: 4,097 and 4,099 are equal.
        super().__init__(autocast=False, **kwargs)
        self.item_encoder = item_encoder
        self.pooling = pooling
        self.event_encoder = event_encoder
        self.has_values = bool(has_values)
        self.dropout = HistoryDropout(
            history_dropout, is_rate_varied=True, empty_share=empty_history_share, name="dropout"
        )

    @property
    def _has_pooled_times(self) -> bool:
        return bool(getattr(self.pooling, "has_times", False))

    def build(
        self,
        ids_shape: tuple[int | None, ...],
        values_shape: tuple[int | None, ...] | None = None,
        actions_shape: tuple[int | None, ...] | None = None,
        times_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Builds the parts that are not built yet."""
        check_rank("ids", ids_shape, 2)
        if self.has_values != (values_shape is not None):
            raise ValueError(
                "`values` must be given exactly where `has_values` is true, received "
                f"`has_values={self.has_values}` and the values' shape {values_shape}."
            )
        if not self.item_encoder.built:
            self.item_encoder.build(ids_shape)
        events_shape = self.item_encoder.compute_output_shape(ids_shape)
        build_event_encoder(self.event_encoder, events_shape, actions_shape, times_shape)
        if not self.pooling.built:
            times = {"times_shape": times_shape} if self._has_pooled_times else {}
            self.pooling.build(events_shape, ids_shape, **times)
        width = events_shape[-1]
        num_statistics = 2 if self.has_values else 1
        self.statistics_kernel = self.add_weight(
            name="statistics_kernel", shape=(num_statistics, width), initializer="zeros"
        )
        if self.has_values:
            check_rank("values", values_shape or (), 2)
            self.values_kernel = self.add_weight(
                name="values_kernel", shape=(width, width), initializer="glorot_uniform"
            )

    def call(
        self,
        ids: Tensor,
        values: Tensor | None = None,
        actions: Tensor | None = None,
        times: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Encodes each row's history.

        Args:
            ids: Item indices, int `[B, L]`; 0 is padding, at any place.
            values: Numbers of the events, float `[B, L]`; 0 where an event has none.
            actions: The events' kinds, int `[B, L]`; see `EventEncoder`.
            times: When the events happened, int `[B, L]`, seconds since any moment.
            training: Whether events are dropped, and whether the pooling is being trained.

        Returns:
            Float `[B, D]`; zeros for an empty history.
        """
        ids = self.dropout(ids, training=training)
        # Not the caller's `training`: hiding single ids is for the candidate, not for its history.
        events = self.item_encoder(ids, training=False)
        is_valid = ops.not_equal(ids, PADDING_INDEX)
        told = events
        if self.event_encoder is not None:
            told = self.event_encoder(events, is_valid, actions=actions, times=times)
        of_pooling = {"times": times} if self._has_pooled_times else {}
        # Said again: Keras would hand on the `training` of the call before this one.
        pooled = self.pooling(told, is_valid, **of_pooling, training=training)
        # float32, since bfloat16 counts exactly to 256 only and histories are longer.
        count = ops.sum(ops.cast(is_valid, "float32"), axis=1, keepdims=True)
        statistics = [ops.log1p(count)]
        if values is not None:
            mean, deviations = value_deviations(values, is_valid, length_power=0.5)
            weights = ops.cast(ops.expand_dims(deviations, 1), events.dtype)
            valued = ops.squeeze(ops.matmul(weights, events), axis=1)
            pooled = pooled + ops.matmul(valued, ops.cast(self.values_kernel, valued.dtype))
            statistics.append(mean)
        known = ops.cast(ops.concatenate(statistics, axis=1), pooled.dtype)
        return pooled + ops.matmul(known, ops.cast(self.statistics_kernel, known.dtype))

    def compute_output_shape(
        self, ids_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (ids_shape[0], self.item_encoder.compute_output_shape(ids_shape)[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments.

        In a saved functional model the shared item encoder stays shared. `keras.models.clone_model`
        gives the clone's history an item encoder of its own, as with every layer inside a layer.
        """
        config = {
            "item_encoder": shared_encoder_config(self.item_encoder),
            "pooling": keras.saving.serialize_keras_object(self.pooling),
            "event_encoder": keras.saving.serialize_keras_object(self.event_encoder),
            "has_values": self.has_values,
            "history_dropout": self.dropout.rate,
            "empty_history_share": self.dropout.empty_share,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HistoryEncoder:
        """Makes the layer again from `get_config`'s values."""
        return cls(**with_layers(config, "item_encoder", "pooling", "event_encoder"))
