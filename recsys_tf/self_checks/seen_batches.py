"""Batches that a training has read, without another look into its dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


class SeenBatches:
    """Keeps the first batches that are read of a dataset.

    To look at what a model was trained on: another iterator would draw an order of the rows, and
    the next epoch have another one than without the look. A later batch costs a comparison.

    Args:
        dataset: The batches; ragged or sparse tensors it must not hold.
        num_batches: How many are kept.

    Attributes:
        dataset: The same batches, to be read in its place.
        batches: Those kept so far, as arrays; empty until `dataset` is read.

    Example:
        >>> seen = SeenBatches(tf.data.Dataset.range(9).batch(2), num_batches=1)
        >>> len(list(seen.dataset)), seen.batches[0].tolist()
        (5, [0, 1])
    """

    def __init__(self, dataset: tf.data.Dataset, num_batches: int) -> None:
        self.batches: list[Any] = []
        structure = dataset.element_spec

        def keep(*arrays: Any) -> None:
            # The next epoch's first batches are not wanted.
            if len(self.batches) < num_batches:
                # The arrays may be TensorFlow's own memory.
                copies = [np.array(each) for each in arrays]
                self.batches.append(tf.nest.pack_sequence_as(structure, copies))

        def look(index: Any, batch: Any) -> Any:
            def run() -> Any:
                call = tf.numpy_function(keep, tf.nest.flatten(batch), [])
                with tf.control_dependencies([call]):
                    return tf.constant(True)

            tf.cond(index < num_batches, run, lambda: tf.constant(False))
            return batch

        not_rewritten = tf.autograph.experimental.do_not_convert(look)
        self.dataset = dataset.enumerate().map(not_rewritten)
