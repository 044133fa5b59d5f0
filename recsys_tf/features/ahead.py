"""Batches that are made while the step runs."""

from __future__ import annotations

import tensorflow as tf

as_written = tf.autograph.experimental.do_not_convert
"""For functions of a dataset: no tensor decides what they compute, and rewriting their Python code
takes seconds."""

# One is being read, one is ready.
_NUM_BATCHES = 2


def made_ahead(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Makes batches in the background, without tf.data's tuner.

    The tuner's thread sleeps for times that double up to a minute. When an epoch ends, TensorFlow
    wakes it before it says that it is over, so that it may lie down once more, and whoever lets the
    iterator go waits for it: up to about as long as the epoch has taken, with idle processors
    (`Model::OptimizeLoop` and `CancellationManager`, seen in 2.16). Without the tuner,
    `tf.data.AUTOTUNE` stands for as many parallel calls as there are processors.

    Args:
        dataset: The batches.

    Returns:
        The same batches.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(_NUM_BATCHES).with_options(options)
