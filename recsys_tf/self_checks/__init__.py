"""Checks of a model after its first epoch that find what would else cost a week."""

from recsys_tf.self_checks.callback import NUM_BATCHES, SelfChecks, run_self_checks
from recsys_tf.self_checks.finding import Finding
from recsys_tf.self_checks.labels import leaks, one_class
from recsys_tf.self_checks.outputs import disagreements, exact_auc
from recsys_tf.self_checks.seen_batches import SeenBatches
from recsys_tf.self_checks.signal import blind_tasks, dead_parts

__all__ = [
    "NUM_BATCHES",
    "Finding",
    "SeenBatches",
    "SelfChecks",
    "blind_tasks",
    "dead_parts",
    "disagreements",
    "exact_auc",
    "leaks",
    "one_class",
    "run_self_checks",
]
