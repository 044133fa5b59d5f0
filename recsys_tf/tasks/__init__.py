"""What is learned: TFRS tasks in the form of a Keras 3 model, and losses over a table of items."""

from __future__ import annotations

import inspect
from typing import Any

from recsys_tf.naming import look_up, unknown_name_message
from recsys_tf.tasks.bpr import BPR
from recsys_tf.tasks.computed_table import ComputedTable
from recsys_tf.tasks.content_table import ContentTable
from recsys_tf.tasks.full_softmax import FullSoftmax
from recsys_tf.tasks.gbce import GBCE
from recsys_tf.tasks.hard_negatives import HardNegatives
from recsys_tf.tasks.in_batch import InBatch
from recsys_tf.tasks.negative_sampling import (
    MixedSampler,
    Negatives,
    PopularitySampler,
    UniformSampler,
)
from recsys_tf.tasks.ranking import RankingTask
from recsys_tf.tasks.retrieval import RetrievalTask
from recsys_tf.tasks.retrieval_loss import RetrievalLoss
from recsys_tf.tasks.sampled_softmax import MixedNegatives, SampledSoftmax

RETRIEVAL_LOSSES: dict[str, type[RetrievalLoss]] = {
    "full_softmax": FullSoftmax,
    "in_batch": InBatch,
    "sampled_softmax": SampledSoftmax,
    "mixed_negatives": MixedNegatives,
    "gbce": GBCE,
    "bpr": BPR,
    "hard_negatives": HardNegatives,
}
"""Losses over a table by name; each is called as `RetrievalLoss` says."""

__all__ = [
    "BPR",
    "GBCE",
    "RETRIEVAL_LOSSES",
    "ComputedTable",
    "ContentTable",
    "FullSoftmax",
    "HardNegatives",
    "InBatch",
    "MixedNegatives",
    "MixedSampler",
    "Negatives",
    "PopularitySampler",
    "RankingTask",
    "RetrievalLoss",
    "RetrievalTask",
    "SampledSoftmax",
    "UniformSampler",
    "make_retrieval_loss",
]


def make_retrieval_loss(name: str, **options: Any) -> RetrievalLoss:
    """Makes a loss over a table by its name.

    Args:
        name: A name of `RETRIEVAL_LOSSES`.
        **options: The loss's own arguments, `temperature` for instance.

    Returns:
        The loss.

    Raises:
        ValueError: If the name or an option is unknown, or the loss refuses a value.

    Example:
        >>> make_retrieval_loss("full_softmax", temperature=0.1).get_config()["temperature"]
        0.1
    """
    loss = look_up(RETRIEVAL_LOSSES, name, "name")
    known = [each for each in inspect.signature(loss.__init__).parameters if each != "self"]
    for option in options:
        if option not in known:
            raise ValueError(unknown_name_message(f"options of {name}", option, known))
    return loss(**options)
