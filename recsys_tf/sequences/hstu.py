"""Gated attention without a softmax, for long histories of actions."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_rank, check_share
from recsys_tf.layers.transformer_block import FORBIDDEN
from recsys_tf.sequences.hstu_block import HSTUBlock
from recsys_tf.sequences.packed_rows import event_distances, is_same_sequence
from recsys_tf.sequences.position_table import PositionTable
from recsys_tf.sequences.sequence_encoder import SequenceEncoder
from recsys_tf.types import Tensor

_NUM_TIME_BUCKETS = 32  # 2^31 seconds are 68 years.
# Half of what float16 holds, so that a score may be added: silu of minus infinity is NaN.
_FORBIDDEN_IN_HALF = -3e4


@keras.saving.register_keras_serializable(package="recsys_tf")
class HSTU(SequenceEncoder):
    """Sums up what came before by attention that is not normalised, behind a gate.

    `s = norm(block(...block(x + P)))` with learned positions `P`, each block
    `x + (norm(A V) * U) W` with `A_lm = silu(q_l . k_m + r_{l-m} + t_lm) / (l + 1)` for `m <= l`,
    see `HSTUBlock`. `r` is a learned bias of how many events lie between the two, `t` one of the
    time between them, by powers of two of a second.

    Choose it over `SASRec` for long histories, and where their events' times are known.

    Args:
        max_length: Positions that are told apart, see `PositionTable`, and distances between
            events: farther ones count as `max_length - 1`.
        num_layers: Number of blocks.
        num_heads: Heads of each block, which divide `D`.
        has_times: Whether the layer is called with the events' times.
        dropout: Share of the numbers dropped while training, from the events with their positions
            and from each block's gated sums.
        **kwargs: Arguments of every Keras layer.

    Raises:
        TypeError: If `times` are no integers.
        ValueError: If a size is below 1, `dropout` is not from 0 to below 1, `num_heads` does not
            divide `D`, or times are given and not expected or the other way round.

    Example:
        >>> import numpy as np
        >>> encoder = HSTU(max_length=5, has_times=True)
        >>> events, is_valid = np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)
        >>> encoder(events, is_valid, times=np.arange(15).reshape(3, 5)).shape == (3, 5, 4)
        True

    Source: Zhai et al., 2024, "Actions Speak Louder than Words: Trillion-Parameter Sequential
        Transducers for Generative Recommendations", https://arxiv.org/abs/2402.17152, section 3,
        equations 1 to 3. The authors' code divides the sums by the window's length, here by the
        number of events that are summed, so that padding changes nothing; its biases read the time
        of the next event too, which is not known when a request comes. That code also multiplies
        the events by `sqrt(D)` before the positions are added, and brings states and items to
        length 1; here the states are brought to one length, and a scale for each of their numbers
        is learned.
    """

    is_packable = True

    def __init__(
        self,
        max_length: int = 200,
        num_layers: int = 2,
        num_heads: int = 1,
        has_times: bool = False,
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_length = check_positive("max_length", max_length)
        self.num_heads = check_positive("num_heads", num_heads)
        self.has_times = bool(has_times)
        self.dropout = check_share("dropout", dropout)
        self.positions = PositionTable(max_length, dtype=self.dtype_policy, name="positions")
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.blocks = [
            HSTUBlock(num_heads, dropout, dtype=self.dtype_policy, name=f"block_{index}")
            for index in range(check_positive("num_layers", num_layers))
        ]
        self.norm = keras.layers.RMSNormalization(
            epsilon=1e-6, dtype=self.dtype_policy, name="norm"
        )

    def build(
        self,
        events_shape: tuple[int | None, ...],
        is_valid_shape: tuple[int | None, ...],
        times_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Makes the positions, the blocks, and the tables of biases, a row a block."""
        super().build(events_shape, is_valid_shape)
        if self.has_times != (times_shape is not None):
            raise ValueError(
                "`times` must be given exactly where `has_times` is true, received "
                f"`has_times={self.has_times}` and the times' shape {times_shape}."
            )
        self.positions.build(events_shape, is_valid_shape)
        for block in self.blocks:
            block.build(events_shape, (None, 1, None, None))
        self.norm.build(events_shape)
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.distance_biases = self.add_weight(
            name="distance_biases",
            shape=(len(self.blocks), self.max_length),
            initializer=normal,
        )
        if self.has_times:
            check_rank("times", times_shape or (), 2)
            self.time_biases = self.add_weight(
                name="time_biases",
                shape=(len(self.blocks), _NUM_TIME_BUCKETS),
                initializer=normal,
            )

    def call(  # type: ignore[override]  # `training` is given by name, as Keras gives it.
        self,
        events: Tensor,
        is_valid: Tensor,
        times: Tensor | None = None,
        training: bool = False,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Encodes each row's events.

        Args:
            events: Float `[B, L, D]`, oldest first.
            is_valid: Bool `[B, L]`, False at padding, which may stand anywhere.
            times: Int `[B, L]`, when each event happened, in seconds since any moment.
            training: Whether the model is being trained.
            positions: As of every `SequenceEncoder`.

        Returns:
            Float `[B, L, D]`; zeros at padding.
        """
        if times is not None:
            dtype = keras.backend.standardize_dtype(times.dtype)
            if "int" not in dtype:
                raise TypeError(f"`times` must be integers, whole seconds, received dtype {dtype}.")
        return self.without_gaps(
            self.encode, events, is_valid, training=training, times=times, positions=positions
        )

    def encode(
        self,
        events: Tensor,
        is_valid: Tensor,
        training: bool = False,
        positions: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Tensor:
        """Applies the blocks to rows without gaps; see `SequenceEncoder.encode`."""
        states = self.positions(events, is_valid, positions)
        states = self.dropout_layer(states, training=training)
        distances = event_distances(is_valid)
        # silu of it is 0, and so is its slope: what may not be looked at needs no mask besides.
        lowest = _FORBIDDEN_IN_HALF if self.compute_dtype == "float16" else FORBIDDEN
        is_forbidden = ops.expand_dims(distances < 0, 0)
        if positions is not None:
            is_other = ops.logical_not(is_same_sequence(positions))
            is_forbidden = ops.logical_or(is_forbidden, is_other)
        forbidden = ops.cast(is_forbidden, "float32") * lowest
        distances = ops.clip(distances, 0, self.max_length - 1)
        buckets = None if times is None else self._time_buckets(times)
        for index, block in enumerate(self.blocks):
            bias = ops.take(self.distance_biases[index], distances, axis=0)
            bias = ops.cast(bias, "float32") + forbidden
            if buckets is not None:
                bias = bias + ops.cast(ops.take(self.time_biases[index], buckets), "float32")
            bias = ops.expand_dims(bias, 1)
            states = block(states, bias, training=training, positions=positions)
        return self.norm(states)

    def _time_buckets(self, times: Tensor) -> Tensor:
        """Which power of two of a second two events lie apart, int `[B, L, L]`."""
        apart = ops.abs(ops.expand_dims(times, 2) - ops.expand_dims(times, 1))
        # float32 is exact enough for its logarithm, but not for the times themselves.
        doublings = ops.log(ops.maximum(ops.cast(apart, "float32"), 1.0)) / math.log(2)
        # Past the rounding of the logarithm: 8 seconds are 2^3, not 2^2.9999998.
        doublings = ops.cast(ops.floor(doublings + 1e-5), "int32")
        return ops.minimum(doublings, _NUM_TIME_BUCKETS - 1)

    def compute_output_shape(
        self,
        events_shape: tuple[int | None, ...],
        is_valid_shape: tuple[int | None, ...],
        times_shape: tuple[int | None, ...] | None = None,
        *_: Any,
    ) -> tuple[int | None, ...]:
        """Returns `[B, L, D]`."""
        return tuple(events_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "max_length": self.max_length,
            "num_layers": len(self.blocks),
            "num_heads": self.num_heads,
            "has_times": self.has_times,
            "dropout": self.dropout,
        }
        return {**super().get_config(), **config}
