"""The state of a sequence's newest event."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.inner_layers import with_layers
from recsys_tf.types import Tensor


def last_state(states: Tensor, is_valid: Tensor) -> Tensor:
    """Picks each row's state at its last valid position.

    Args:
        states: Float `[B, L, D]`, zeros at padding, as a sequence encoder gives them.
        is_valid: Bool `[B, L]`.

    Returns:
        Float `[B, D]`; zeros for a row without any valid position.

    Example:
        >>> import numpy as np
        >>> states = np.array([[[1.0], [2.0], [0.0]], [[0.0], [0.0], [0.0]]])
        >>> is_valid = np.array([[True, True, False], [False, False, False]])
        >>> np.asarray(last_state(states, is_valid)).tolist()
        [[2.0], [0.0]]
    """
    valid = ops.cast(is_valid, "int32")
    seen = ops.cumsum(valid, axis=1)
    is_last = ops.logical_and(is_valid, ops.equal(seen, ops.sum(valid, axis=1, keepdims=True)))
    # A product with zeros and a one: its gradient is one too, where a gather's is scattered.
    weights = ops.expand_dims(ops.cast(is_last, states.dtype), 1)
    return ops.squeeze(ops.matmul(weights, states), axis=1)


@keras.saving.register_keras_serializable(package="recsys_tf")
class LastState(keras.layers.Layer):
    """Pools a history to a sequence encoder's state at the newest event.

    `y = s_n` with `s = encoder(x)` and `n` the last valid position. With it any sequence encoder
    is a history encoder of a tower: it stands where `MaskedMeanPooling` may stand.

    Args:
        encoder: One out of `SEQUENCE_ENCODERS`; of one that reads both ways, too, the newest
            event's state is taken, which then is one of the whole row.
        **kwargs: Arguments of every Keras layer.

    Example:
        >>> import numpy as np
        >>> from recsys_tf.sequences.sasrec import SASRec
        >>> pooling = LastState(SASRec(max_length=3))
        >>> pooling(np.ones([2, 3, 4], "float32"), np.ones([2, 3], bool)).shape == (2, 4)
        True

    Source: Hidasi et al., 2016, "Session-based Recommendations with Recurrent Neural Networks",
        https://arxiv.org/abs/1511.06939, for the newest state as what is known of a user.
    """

    def __init__(self, encoder: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encoder = encoder

    @property
    def has_times(self) -> bool:
        """Whether the encoder reads the events' times."""
        return bool(getattr(self.encoder, "has_times", False))

    def build(
        self,
        events_shape: tuple[int | None, ...],
        is_valid_shape: tuple[int | None, ...],
        times_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Builds the encoder if it is not built yet."""
        if not self.encoder.built:
            times = {} if times_shape is None else {"times_shape": times_shape}
            self.encoder.build(events_shape, is_valid_shape, **times)

    def call(
        self,
        events: Tensor,
        is_valid: Tensor,
        times: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Encodes each row and takes its newest state.

        Args:
            events: Float `[B, L, D]`.
            is_valid: Bool `[B, L]`, True at the positions that count.
            times: Int `[B, L]`, seconds; given exactly where `has_times`.
            training: Whether the model is being trained.

        Returns:
            Float `[B, D]`; zeros for a row without any valid position.
        """
        told = {} if times is None else {"times": times}
        return last_state(self.encoder(events, is_valid, **told, training=training), is_valid)

    def compute_output_shape(
        self,
        events_shape: tuple[int | None, ...],
        is_valid_shape: tuple[int | None, ...],
        times_shape: tuple[int | None, ...] | None = None,
    ) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (events_shape[0], events_shape[2])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        encoder = keras.saving.serialize_keras_object(self.encoder)
        return {**super().get_config(), "encoder": encoder}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LastState:
        """Makes the layer again from `get_config`'s values."""
        return cls(**with_layers(config, "encoder"))
