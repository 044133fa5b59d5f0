"""What is known of an event besides its item: the kind of action, the time before and after it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from recsys_tf.layers import EmbeddingTable, HistoryDropout
from recsys_tf.layers.shapes import check_positive, check_rank
from recsys_tf.sequences.alignment import align_back, align_left
from recsys_tf.sequences.packed_rows import sequence_numbers
from recsys_tf.types import Tensor

# No event before, less than a second, and the powers of two up to 2^31 seconds, which are 68 years.
NUM_GAPS = 34
_POWERS = 2.0 ** np.arange(NUM_GAPS - 2)


@keras.saving.register_keras_serializable(package="recsys_tf")
class EventEncoder(keras.layers.Layer):
    """Adds to an item's vector what else is known of the event.

    `y_l = x_l + A[a_l] + G[g_l] + R[r_l]`. `a_l` is the kind of action, `g_l` the time since the
    event before by powers of two of a second: 0 for a row's first event, 1 for less than a second,
    `2 + floor(log2(t_l - t_{l-1}))` from a second on. A gap below 0, of events that are not in the
    order of time, counts as 0. `r_l` is the time to the event after, in the same classes; after the
    row's last event comes the question, and of a question without a time `r_l` is 0.

    Args:
        num_actions: Rows of the table `A`, with 0 for a missing kind and 1 for an unknown one;
            None where kinds are not told apart.
        has_times: Whether the gaps before the events are read.
        has_request_times: Whether the gaps after them are.
        request_dropout: Share of the gaps after the events that training hides as not known, so
            that a question without a time has an answer too.
        initial_stddev: Standard deviation of the tables' first values; that of the items', so
            that neither drowns the other.
        **kwargs: Arguments of every Keras layer.

    Raises:
        TypeError: If `times`, `asked_at` or `actions` are no integers.
        ValueError: If `num_actions` is below 1, nothing is read, the gaps after the events are
            without those before, or a column is given that is not read or the other way round.

    Example:
        >>> import numpy as np
        >>> encoder = EventEncoder(num_actions=4, has_times=True)
        >>> vectors, is_event = np.zeros([1, 3, 2], "float32"), np.ones([1, 3], bool)
        >>> encoder(vectors, is_event, np.array([[2, 3, 2]]), np.array([[0, 9, 90]])).shape
        TensorShape([1, 3, 2])

    Source: Li et al., 2020, "Time Interval Aware Self-Attention for Sequential Recommendation",
        https://doi.org/10.1145/3336191.3371786, for gaps in classes. There a class for each pair
        of events; here one for each event, which every encoder can read. The time of the question
        is read by the published code of HSTU, https://arxiv.org/abs/2402.17152, too.
    """

    def __init__(
        self,
        num_actions: int | None = None,
        has_times: bool = False,
        initial_stddev: float = 0.02,
        has_request_times: bool = False,
        request_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_actions = (
            None if num_actions is None else check_positive("num_actions", num_actions)
        )
        self.has_times = bool(has_times)
        self.has_request_times = bool(has_request_times)
        self.initial_stddev = float(initial_stddev)
        # A gap that is hidden has the class 0, as one that is not known.
        self.dropout = HistoryDropout(request_dropout, name="dropout")
        if self.num_actions is None and not self.has_times:
            raise ValueError(
                "`num_actions` or `has_times` must be given, received neither: nothing is known of "
                "an event but its item."
            )
        if self.has_request_times and not self.has_times:
            raise ValueError(
                "`has_times` must be true where `has_request_times` is: the time to the question "
                "is counted from the event's."
            )
        self.action_table: keras.layers.Layer | None = None
        self.gap_table: keras.layers.Layer | None = None
        self.request_table: keras.layers.Layer | None = None

    def build(
        self,
        vectors_shape: tuple[int | None, ...],
        is_event_shape: tuple[int | None, ...],
        actions_shape: tuple[int | None, ...] | None = None,
        times_shape: tuple[int | None, ...] | None = None,
        asked_at_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Makes the tables."""
        check_rank("vectors", vectors_shape, 3)
        check_rank("is_event", is_event_shape, 2)
        self._check_given("actions", self.num_actions is not None, actions_shape)
        self._check_given("times", self.has_times, times_shape)
        self._check_given("asked_at", self.has_request_times, asked_at_shape, rank=1)
        if self.num_actions is not None:
            self.action_table = self._table(self.num_actions, vectors_shape[-1], "action_table")
        if self.has_times:
            self.gap_table = self._table(NUM_GAPS, vectors_shape[-1], "gap_table")
        if self.has_request_times:
            self.request_table = self._table(NUM_GAPS, vectors_shape[-1], "request_table")

    def call(
        self,
        vectors: Tensor,
        is_event: Tensor,
        actions: Tensor | None = None,
        times: Tensor | None = None,
        asked_at: Tensor | None = None,
        training: bool = False,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Adds the tables' rows.

        Args:
            vectors: Float `[B, L, D]`, the items'.
            is_event: Bool `[B, L]`, False at padding and at masked events, to which nothing is
                added; the gap after one counts from the event before it.
            actions: Int `[B, L]`, below `num_actions`.
            times: Int `[B, L]`, seconds since any moment.
            asked_at: Int `[B]`, when what comes after each row's last event is asked for, in the
                same seconds; before the event counts as at it, and 0 or less as not known.
            training: Whether gaps after events are hidden.
            positions: Int `[B, L]`, each event's place in its own sequence, where a row holds
                several: the time since another's event is none. Not with `asked_at`.

        Returns:
            Float `[B, L, D]`.
        """
        added = 0
        if self.action_table is not None:
            added = added + self.action_table(actions)
        if self.gap_table is not None:
            added = added + self.gap_table(time_gaps(times, is_event, positions))
        if self.request_table is not None:
            gaps = request_gaps(times, is_event, asked_at)
            added = added + self.request_table(self.dropout(gaps, training=training))
        return ops.where(ops.expand_dims(is_event, -1), vectors + added, vectors)

    def _table(self, num_rows: int, width: Any, name: str) -> EmbeddingTable:
        normal = keras.initializers.RandomNormal(stddev=self.initial_stddev)
        table = EmbeddingTable(num_rows, width, normal, dtype=self.dtype_policy, name=name)
        table.build()
        return table

    def _check_given(self, name: str, is_read: bool, shape: Any, rank: int = 2) -> None:
        if is_read != (shape is not None):
            raise ValueError(
                f"`{name}` must be given exactly where they are read, received "
                f"{'none' if shape is None else f'shape {tuple(shape)}'} with "
                f"`num_actions={self.num_actions}`, `has_times={self.has_times}` and "
                f"`has_request_times={self.has_request_times}`."
            )
        if shape is not None:
            check_rank(name, shape, rank)

    def compute_output_shape(
        self, vectors_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """Returns `[B, L, D]`."""
        return tuple(vectors_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_actions": self.num_actions,
            "has_times": self.has_times,
            "initial_stddev": self.initial_stddev,
            "has_request_times": self.has_request_times,
            "request_dropout": self.dropout.rate,
        }
        return {**super().get_config(), **config}


def build_event_encoder(
    encoder: keras.layers.Layer | None,
    events_shape: tuple[int | None, ...],
    actions_shape: tuple[int | None, ...] | None,
    times_shape: tuple[int | None, ...] | None,
) -> None:
    """Builds the encoder of what is known of events beside their items, where there is one.

    Raises:
        ValueError: If something is given that is not read, or the other way round.
    """
    if encoder is not None and not encoder.built:
        encoder.build(events_shape, events_shape[:2], actions_shape, times_shape)
    if encoder is None and (actions_shape is not None or times_shape is not None):
        raise ValueError(
            "`actions` and `times` must be given exactly where an `event_encoder` reads them, "
            f"received shapes {actions_shape} and {times_shape} without one."
        )


def time_gaps(times: Tensor, is_event: Tensor, positions: Tensor | None = None) -> Tensor:
    """Classifies the time between each event and the one before it; see `EventEncoder`.

    Args:
        times: Int `[B, L]`, seconds since any moment.
        is_event: Bool `[B, L]`.
        positions: Int `[B, L]`, each event's place in its own sequence, padding after all of them;
            None where a row is one.

    Returns:
        int32 `[B, L]`, below `NUM_GAPS`; anything where there is no event.

    Raises:
        TypeError: If `times` are no integers.

    Example:
        >>> import numpy as np
        >>> times = np.array([[100, 0, 100, 108, 90]])  # padding stands in the second place
        >>> np.asarray(time_gaps(times, np.array([[True, False, True, True, True]])))[0].tolist()
        [0, 0, 1, 5, 1]
    """
    times, is_event = _seconds("times", times), ops.convert_to_tensor(is_event)
    # Numbered before anything is moved: a sequence's first event may be a masked one.
    numbers = ops.zeros_like(times) if positions is None else sequence_numbers(positions)
    aligned_event, aligned, numbers = align_left(is_event, times, numbers)
    classes = _classes(aligned[:, 1:] - aligned[:, :-1])
    classes = ops.where(ops.equal(numbers[:, 1:], numbers[:, :-1]), classes, 0)
    gaps = ops.pad(classes, [[0, 0], [1, 0]])
    gaps = ops.where(aligned_event, gaps, 0)
    return ops.squeeze(align_back(is_event, ops.expand_dims(gaps, -1)), axis=-1)


def request_gaps(times: Tensor, is_event: Tensor, asked_at: Tensor) -> Tensor:
    """Classifies the time between each event and the one after it; see `EventEncoder`.

    Args:
        times: Int `[B, L]`, seconds since any moment.
        is_event: Bool `[B, L]`.
        asked_at: Int `[B]`, the time of what comes after the last event; 0 or less is unknown.

    Returns:
        int32 `[B, L]`, below `NUM_GAPS`; anything where there is no event.

    Raises:
        TypeError: If `times` or `asked_at` are no integers.

    Example:
        >>> import numpy as np
        >>> times = np.array([[100, 0, 100, 108]])  # padding stands in the second place
        >>> is_event = np.array([[True, False, True, True]])
        >>> np.asarray(request_gaps(times, is_event, np.array([110])))[0].tolist()
        [1, 1, 5, 3]
    """
    times, is_event = _seconds("times", times), ops.convert_to_tensor(is_event)
    asked_at = ops.expand_dims(ops.cast(_seconds("asked_at", asked_at), times.dtype), -1)
    aligned_event, aligned = align_left(is_event, times)
    num_events = ops.sum(ops.cast(is_event, "int32"), axis=1, keepdims=True)
    is_last = ops.equal(ops.arange(ops.shape(aligned)[1]), num_events - 1)
    after = ops.where(is_last, asked_at, ops.roll(aligned, -1, axis=1))
    is_known = ops.logical_or(ops.logical_not(is_last), asked_at > 0)
    gaps = ops.where(ops.logical_and(aligned_event, is_known), _classes(after - aligned), 0)
    return ops.squeeze(align_back(is_event, ops.expand_dims(gaps, -1)), axis=-1)


def _seconds(name: str, values: Tensor) -> Tensor:
    values = ops.convert_to_tensor(values)
    dtype = keras.backend.standardize_dtype(values.dtype)
    if "int" not in dtype:
        raise TypeError(f"`{name}` must be integers, whole seconds, received dtype {dtype}.")
    return values


def _classes(seconds: Tensor) -> Tensor:
    """1 for less than a second, `2 + floor(log2(seconds))` from there on, int32."""
    # By comparison with the powers, where a logarithm would round. The differences were taken in
    # integers: float32 is exact enough for a class, but not for a time.
    return 1 + ops.cast(ops.digitize(ops.cast(seconds, "float32"), _POWERS), "int32")
