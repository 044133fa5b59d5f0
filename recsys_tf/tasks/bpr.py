"""Pairwise ranking against uniform negatives."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.losses import bayesian_personalized_ranking
from recsys_tf.tasks.negative_sampling import Negatives, UniformSampler
from recsys_tf.tasks.sampled_loss import SampledLoss
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class BPR(SampledLoss):
    """Computes `recsys_tf.losses.bayesian_personalized_ranking` against uniform negatives.

    Args:
        num_negatives: `K`, draws for each batch or position; the paper's 1.
        temperature: Scores are divided by it, above 0.
        is_shared: Whether all positions of a batch share their negatives; a single one would be
            pushed down by all.

    Source: see `recsys_tf.losses.bayesian_personalized_ranking`.
    """

    def __init__(
        self, num_negatives: int = 1, temperature: float = 1.0, is_shared: bool = False
    ) -> None:
        super().__init__(UniformSampler(num_negatives, is_shared), temperature)
        self.num_negatives = num_negatives
        self.is_shared = is_shared

    def _losses(
        self,
        positive_scores: Tensor,
        negative_scores: Tensor,
        is_negative: Tensor,
        negatives: Negatives,
        num_rows: int | Tensor,
    ) -> Tensor:
        return bayesian_personalized_ranking(positive_scores, negative_scores, is_negative)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "num_negatives": self.num_negatives,
            "temperature": self.temperature,
            "is_shared": self.is_shared,
        }
