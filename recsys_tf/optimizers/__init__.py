"""Optimisers: Adam in one operation a variable, and those that step the batch's rows alone."""

import keras

from recsys_tf.optimizers.fused_adam import FusedAdam, FusedAdamW
from recsys_tf.optimizers.row_wise_adagrad import RowWiseAdagrad
from recsys_tf.optimizers.row_wise_adam import RowWiseAdam
from recsys_tf.optimizers.row_wise_ftrl import RowWiseFtrl
from recsys_tf.optimizers.table_optimizer import TableOptimizer

TABLE_OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "adagrad": RowWiseAdagrad,
    "adam": RowWiseAdam,
    "ftrl": RowWiseFtrl,
}
"""By name, what steps tables by the rows of a batch; each is a `RowWiseStep`."""

__all__ = [
    "TABLE_OPTIMIZERS",
    "FusedAdam",
    "FusedAdamW",
    "RowWiseAdagrad",
    "RowWiseAdam",
    "RowWiseFtrl",
    "TableOptimizer",
]
