"""From many tasks' predictions to the one score that orders the answer."""

from recsys_tf.score_fusion.weighted_sum import WeightedSum

__all__ = ["WeightedSum"]
