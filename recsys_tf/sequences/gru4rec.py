"""A gated recurrent network."""

from __future__ import annotations

import keras

from recsys_tf.sequences.recurrent import Recurrent


@keras.saving.register_keras_serializable(package="recsys_tf")
class GRU4Rec(Recurrent):
    """Keeps of the last state what a gate lets through: `s_l = z_l s_{l-1} + (1 - z_l) h_l`.

    `z_l = sigmoid(x_l W_z + s_{l-1} U_z + b_z)`, `r_l` likewise, and
    `h_l = tanh(x_l W_h + b_h + r_l (s_{l-1} U_h + c_h))`.

    Choose it for short sessions in which the order says much; a step waits for the one before, so
    that long histories are read faster by `LinearRecurrence`.

    Args:
        num_layers: Number of layers; the paper found one to be enough.
        dropout: Share of each layer's inputs that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_layers` is below 1 or `dropout` is not from 0 to below 1.

    Example:
        >>> import numpy as np
        >>> GRU4Rec()(np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)).shape == (3, 5, 4)
        True

    Source: Hidasi et al., 2016, "Session-based Recommendations with Recurrent Neural Networks",
        https://arxiv.org/abs/1511.06939, equations 1 to 4. Their state mixes the other way round,
        `z` being one minus this one; the reset gate comes after its product here, so that one
        product makes all gates. States keep the events' width.
    """

    recurrent_layer = keras.layers.GRU
