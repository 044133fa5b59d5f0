"""Runs the self-checks at the end of the first epoch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from recsys_tf.models import SequenceRecommender
from recsys_tf.self_checks.finding import Finding
from recsys_tf.self_checks.sequence_checks import check_sequences
from recsys_tf.self_checks.task_checks import check_tasks

_LOGGER = logging.getLogger(__name__)

NUM_BATCHES = 4
"""Batches that are looked at."""


class SelfChecks(keras.callbacks.Callback):
    """Looks for faults once, at the end of the first epoch, and tells each in one line.

    It takes a few seconds and changes nothing: neither weights nor the numbers that dropout draws.
    `recsys_tf.training.fit` adds one of its own where it gets none.

    Args:
        dataset: What the model is fitted with, such as `(features, labels, weights)`, each a dict
            by name. Give a dataset of its own, such as another `data.dataset("train")`, or batches
            as arrays: a look into the one that is trained on would change the order in which its
            rows come.
        num_batches: Batches that are looked at.
        tell: Takes the line of each finding; None logs it as a warning.

    Attributes:
        findings: What was found, empty where all is well or no epoch has ended.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset | Sequence[Any],
        num_batches: int = NUM_BATCHES,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__()
        if num_batches < 1:
            raise ValueError(f"`num_batches` must be at least 1, received {num_batches}.")
        self.findings: list[Finding] = []
        self._dataset = dataset
        self._num_batches = num_batches
        self._tell = tell or _LOGGER.warning
        self._is_done = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Runs the checks, the first time that it is called."""
        if self._is_done:
            return
        self._is_done = True
        self.findings = run_self_checks(self.model, self._dataset, self._num_batches)
        for finding in self.findings:
            self._tell(str(finding))


def run_self_checks(
    model: Any, dataset: tf.data.Dataset | Sequence[Any], num_batches: int = NUM_BATCHES
) -> list[Finding]:
    """Runs every check on the first batches of a dataset.

    Args:
        model: A compiled `SequenceRecommender`, or a Keras model with `schema.tasks` and
            `task_losses(features, labels, outputs, weights)`, such as `Recommender`.
        dataset: What it is fitted with; batches of arrays will do.
        num_batches: Batches that are looked at.

    Returns:
        What was found, empty where all is well.

    Raises:
        ValueError: If the dataset is empty.
    """
    if isinstance(dataset, tf.data.Dataset):
        dataset = list(dataset.take(num_batches).as_numpy_iterator())
    batches = dataset[:num_batches]
    if not batches:
        raise ValueError("`dataset` must hold at least one batch, received none.")
    if isinstance(model, SequenceRecommender):
        return check_sequences(model, batches)
    return check_tasks(model, batches)
