"""From one loss a task to the one number that training descends."""

from recsys_tf.weighting.fixed import FixedWeighting

WEIGHTINGS = {"fixed": FixedWeighting}
"""Loss weightings by name."""

__all__ = ["WEIGHTINGS", "FixedWeighting"]
