"""What is measured."""

from __future__ import annotations

from recsys_tf.config.fields import PositiveInt, Share
from recsys_tf.spec import Spec


class EvaluationConfig(Spec):
    """What is measured on the held-out rows.

    The TFX pipeline, and so `recsys-tf demo`, tells metrics and slices of its own: it refuses
    `metrics`, `slices` and `confidence`, which `recsys-tf evaluate` reads.

    Attributes:
        cutoffs: The `K`s of the ranking metrics.
        is_seen_excluded: Whether a user's training items are left out of the ranking. The pipeline
            measures the served graph, which does as `export.is_seen_excluded` says: both must say
            the same.
        user_batch_size: Users ranked at once.
        metrics: Names out of `recsys_tf.metrics.FURTHER_METRICS`: of the lists at each cut-off,
            such as `novelty` or `gini`, and of the rows of binary tasks, such as `gauc`, of which
            there are none with `sequence`.
        slices: Single-valued categorical features by whose values everything is told once more;
            those of items tell of the tasks with a label alone, and nothing with `sequence`.
        confidence: Level of the bootstrap intervals over users (of a table over rows), such as
            0.95; None makes none.
    """

    cutoffs: tuple[PositiveInt, ...] = (10, 50, 100)
    is_seen_excluded: bool = True
    user_batch_size: PositiveInt = 1024
    metrics: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    confidence: Share | None = None
