"""The softmax against sampled negatives, corrected for how they were drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from recsys_tf.losses import sampled_softmax
from recsys_tf.tasks.negative_sampling import (
    MixedSampler,
    Negatives,
    PopularitySampler,
    Sampler,
    UniformSampler,
    check_at_least,
)
from recsys_tf.tasks.sampled_loss import SampledLoss
from recsys_tf.types import FloatArray, Tensor


class _CorrectedSoftmax(SampledLoss):
    def __init__(self, sampler: Sampler, temperature: float, correction: float) -> None:
        super().__init__(sampler, temperature)
        check_at_least("correction", correction, 0)
        self.correction = correction

    def _losses(
        self,
        positive_scores: Tensor,
        negative_scores: Tensor,
        is_negative: Tensor,
        negatives: Negatives,
        num_rows: int | Tensor,
    ) -> Tensor:
        log_counts = self.correction * negatives.log_expected_counts
        return sampled_softmax(positive_scores, negative_scores, is_negative, log_counts)


@keras.saving.register_keras_serializable(package="recsys_tf")
class SampledSoftmax(_CorrectedSoftmax):
    """Computes `recsys_tf.losses.sampled_softmax` against uniform or popular negatives.

    For catalogues where `FullSoftmax` takes too long. More negatives than items are defined: draws
    are with replacement, and the correction counts each item once.

    Args:
        num_negatives: `K`, draws for each batch or position. More come nearer to the full softmax.
        popularity: `[N]`, for each row of the table its count in the training rows; None draws all
            items alike.
        alpha: Items are drawn in proportion to `popularity^alpha`; not used without it.
        temperature: Scores are divided by it, above 0.
        correction: The factor of the logarithms of the expected counts, 0 or above: 1 estimates the
            full softmax, 0 ranks the positive before its sample only.
        is_shared: Whether all positions of a batch share their negatives. Own ones need `M K D`
            numbers of memory.

    Source: see `recsys_tf.losses.sampled_softmax`.
    """

    def __init__(
        self,
        num_negatives: int = 512,
        popularity: Sequence[float] | FloatArray | None = None,
        alpha: float = 0.75,
        temperature: float = 1.0,
        correction: float = 1.0,
        is_shared: bool = True,
    ) -> None:
        sampler = (
            UniformSampler(num_negatives, is_shared)
            if popularity is None
            else PopularitySampler(num_negatives, popularity, alpha, is_shared)
        )
        super().__init__(sampler, temperature, correction)
        self._config = {
            "num_negatives": num_negatives,
            "popularity": listed(popularity),
            "alpha": alpha,
            "is_shared": is_shared,
        }

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **self._config,
            "temperature": self.temperature,
            "correction": self.correction,
        }


@keras.saving.register_keras_serializable(package="recsys_tf")
class MixedNegatives(_CorrectedSoftmax):
    """Computes `recsys_tf.losses.sampled_softmax` against the batch's positives and uniform draws.

    For large catalogues whose popular items must be told apart well; see `MixedSampler`.

    Args:
        num_negatives: `K`, draws for each batch, shared by its positions.
        batch_share: The share of them that is drawn from the batch's positives, from 0 to 1.
        popularity: `[N]`, for each row of the table its count in the training rows; None corrects
            by the batch's own counts.
        temperature: Scores are divided by it, above 0.
        correction: The factor of the logarithms of the expected counts, 0 or above.

    Source: see `MixedSampler`.
    """

    def __init__(
        self,
        num_negatives: int = 512,
        batch_share: float = 0.5,
        popularity: Sequence[float] | FloatArray | None = None,
        temperature: float = 1.0,
        correction: float = 1.0,
    ) -> None:
        super().__init__(
            MixedSampler(num_negatives, batch_share, popularity), temperature, correction
        )
        self._config = {
            "num_negatives": num_negatives,
            "batch_share": batch_share,
            "popularity": listed(popularity),
        }

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **self._config,
            "temperature": self.temperature,
            "correction": self.correction,
        }


def listed(values: Sequence[float] | FloatArray | None) -> list[float] | None:
    """Returns numbers in a form that a file can hold.

    Args:
        values: Numbers, or None.

    Returns:
        A list of Python's numbers, or None.
    """
    return None if values is None else np.asarray(values).tolist()
