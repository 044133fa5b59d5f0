"""Optimisers: Adam in one operation a variable, and those that step the batch's rows alone."""

from recsys_tf.optimizers.fused_adam import FusedAdam, FusedAdamW
from recsys_tf.optimizers.row_wise_adagrad import RowWiseAdagrad
from recsys_tf.optimizers.row_wise_adam import RowWiseAdam
from recsys_tf.optimizers.row_wise_ftrl import RowWiseFtrl
from recsys_tf.optimizers.table_optimizer import TableOptimizer

__all__ = [
    "FusedAdam",
    "FusedAdamW",
    "RowWiseAdagrad",
    "RowWiseAdam",
    "RowWiseFtrl",
    "TableOptimizer",
]
