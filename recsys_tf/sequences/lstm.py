"""A recurrent network with a memory beside its state."""

from __future__ import annotations

import keras

from recsys_tf.sequences.recurrent import Recurrent


@keras.saving.register_keras_serializable(package="recsys_tf")
class LSTM(Recurrent):
    """Keeps a memory that gates write to and read: `c_l = f_l c_{l-1} + i_l g_l`.

    The state is `s_l = o_l tanh(c_l)`, with `i_l = sigmoid(x_l W_i + s_{l-1} U_i + b_i)`, `f_l`
    and `o_l` likewise and `g_l` by `tanh`. The forget gate starts open: `b_f` from 1.

    Choose it where `GRU4Rec` forgets too early; it has a third more weights.

    Args:
        num_layers: Number of layers.
        dropout: Share of each layer's inputs that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_layers` is below 1 or `dropout` is not from 0 to below 1.

    Example:
        >>> import numpy as np
        >>> LSTM()(np.ones([3, 5, 4], "float32"), np.ones([3, 5], bool)).shape == (3, 5, 4)
        True

    Source: Gers, Schmidhuber and Cummins, 2000, "Learning to Forget: Continual Prediction with
        LSTM", https://doi.org/10.1162/089976600300015015; Jozefowicz et al., 2015, "An Empirical
        Exploration of Recurrent Network Architectures",
        https://proceedings.mlr.press/v37/jozefowicz15.html, for the 1.
    """

    recurrent_layer = keras.layers.LSTM
