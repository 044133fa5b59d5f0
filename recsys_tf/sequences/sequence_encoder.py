"""What all sequence encoders have in common."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from recsys_tf.layers.event_dtypes import check_dtypes
from recsys_tf.layers.shapes import check_rank, check_width
from recsys_tf.sequences.alignment import align_back, align_left
from recsys_tf.types import Tensor


class SequenceEncoder(keras.layers.Layer):
    """A state for each event of a history: `(events [B, L, D], is_valid [B, L]) -> [B, L, D]`.

    Padding may stand at any place: it changes no other state, and its own state is 0. A subclass
    never sees a gap. It writes `encode` for rows whose padding comes after the events, where a
    causal block has nothing to mask at all; gaps are closed before it and opened again after it.

    Several sequences may be packed into one row: `positions`, which count each one's events from 0,
    then tell where one begins, and no state reads over such a border. A subclass that can keep it
    says so in `is_packable` and gets them in `encode`.

    A subclass states in `is_causal` whether the state at `l` is made of the events up to `l` alone
    (True), which is what a model needs that predicts the next event at each position, or of the
    whole row (False).

    Args:
        **kwargs: Arguments of every Keras layer.

    Raises:
        TypeError: If `events` are no floats, `is_valid` is no bool, or `positions` are no integers.
        ValueError: If `events` is not `[B, L, D]` with known `D`, `is_valid` not `[B, L]`, or
            `positions` are given to an encoder that is not packable.
    """

    is_causal = True
    is_packable = False

    def build(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> None:
        """Checks the shapes; a subclass makes its weights besides."""
        check_rank("events", events_shape, 3)
        check_rank("is_valid", is_valid_shape, 2)
        check_width("events", events_shape)

    def encode(self, events: Tensor, is_valid: Tensor, training: bool = False) -> Tensor:
        """Makes the states of rows without gaps.

        Args:
            events: Float `[B, L, D]`, zeros at padding.
            is_valid: Bool `[B, L]`; all padding of a row stands after its events.
            training: Whether the model is being trained.

        Returns:
            Float `[B, L, D]`; finite numbers at padding.
        """
        raise NotImplementedError(f"`{type(self).__name__}` must define `encode`.")

    def call(
        self,
        events: Tensor,
        is_valid: Tensor,
        training: bool = False,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Encodes each row's events.

        Args:
            events: Float `[B, L, D]`, oldest first.
            is_valid: Bool `[B, L]`, False at padding, which may stand anywhere.
            training: Whether the model is being trained.
            positions: Int `[B, L]`, each event's place in its own sequence, counted from 0;
                anything at padding. None where a row is one sequence.

        Returns:
            Float `[B, L, D]`; zeros at padding, so zeros all over for an empty history.
        """
        return self.without_gaps(
            self.encode, events, is_valid, training=training, positions=positions
        )

    def without_gaps(
        self,
        encode: Callable[..., Tensor],
        events: Tensor,
        is_valid: Tensor,
        training: bool,
        **beside: Tensor | None,
    ) -> Tensor:
        """Closes the gaps, calls `encode` and opens them again.

        Args:
            encode: As the method of this name, with `beside` by name.
            events: As in `call`.
            is_valid: As in `call`.
            training: Whether the model is being trained.
            **beside: `[B, L]`, what else there is of the events, `positions` among it; None is
                left out.

        Returns:
            As `call`.
        """
        check_dtypes(events, is_valid)
        beside = {name: each for name, each in beside.items() if each is not None}
        if "positions" in beside:
            self._check_positions(beside["positions"])
            # Anything may stand at padding; what is counted from it must be finite.
            beside["positions"] = ops.where(is_valid, beside["positions"], 0)
        # Selected, not multiplied: whatever stands at padding, be it NaN, must not come through.
        events = ops.where(ops.expand_dims(is_valid, -1), events, 0)
        aligned_valid, aligned, *others = align_left(is_valid, events, *beside.values())
        beside = dict(zip(beside, others, strict=True))
        states = encode(aligned, aligned_valid, training=training, **beside)
        states = align_back(is_valid, states)
        return ops.where(ops.expand_dims(is_valid, -1), states, 0)

    def _check_positions(self, positions: Tensor) -> None:
        if not self.is_packable:
            raise ValueError(
                f"`positions` must be None for `{type(self).__name__}`, which cannot keep several "
                "sequences of one row apart; give each a row of its own."
            )
        dtype = keras.backend.standardize_dtype(positions.dtype)
        if "int" not in dtype:
            raise TypeError(f"`positions` must be integers, received dtype {dtype}.")

    def compute_output_shape(
        self, events_shape: tuple[int | None, ...], is_valid_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `[B, L, D]`."""
        return tuple(events_shape)
