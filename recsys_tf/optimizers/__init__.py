"""Optimisers: Adam in one operation a variable, and those that step the batch's rows alone."""

from recsys_tf.optimizers.fused_adam import FusedAdam, FusedAdamW
from recsys_tf.optimizers.row_wise_adam import RowWiseAdam

__all__ = ["FusedAdam", "FusedAdamW", "RowWiseAdam"]
