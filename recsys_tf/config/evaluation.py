"""What is measured."""

from __future__ import annotations

from recsys_tf.config.fields import PositiveInt
from recsys_tf.spec import Spec


class EvaluationConfig(Spec):
    """What is measured on the held-out rows.

    Attributes:
        cutoffs: The `K`s of the ranking metrics.
        is_seen_excluded: Whether a user's training items are left out of the ranking. The pipeline
            measures the served graph, which does as `export.is_seen_excluded` says: both must say
            the same.
        user_batch_size: Users ranked at once.
    """

    cutoffs: tuple[PositiveInt, ...] = (10, 50, 100)
    is_seen_excluded: bool = True
    user_batch_size: PositiveInt = 1024
