"""The generalised binary cross-entropy against uniform negatives."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.losses import gbce, gbce_beta
from recsys_tf.tasks.negative_sampling import Negatives, UniformSampler
from recsys_tf.tasks.sampled_loss import SampledLoss
from recsys_tf.types import NUM_RESERVED_INDICES, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class GBCE(SampledLoss):
    """Computes `recsys_tf.losses.gbce`, whose `beta` follows from the sampling rate.

    gSASRec's loss, for catalogues that are too large for `FullSoftmax`. With `calibration=0` it is
    the plain binary cross-entropy, and with `num_negatives=1` as well that of SASRec. As many
    negatives as items or more make `beta` 1.

    Args:
        num_negatives: `K`, draws for each batch or position.
        calibration: `t`, from 0 (plain) to 1 (probabilities as if against all items); 0.75
            with 256 negatives is the authors' own setting for MovieLens 1M.
        temperature: Scores are divided by it, above 0.
        is_shared: Whether all positions of a batch share their negatives. The paper draws own ones,
            which need `M K D` numbers of memory.

    Source: see `recsys_tf.losses.gbce`.
    """

    def __init__(
        self,
        num_negatives: int = 256,
        calibration: float = 0.75,
        temperature: float = 1.0,
        is_shared: bool = True,
    ) -> None:
        super().__init__(UniformSampler(num_negatives, is_shared), temperature)
        if not 0 <= calibration <= 1:
            raise ValueError(f"`calibration` must be from 0 to 1, received {calibration!r}.")
        self.num_negatives = num_negatives
        self.calibration = calibration
        self.is_shared = is_shared

    def _losses(
        self,
        positive_scores: Tensor,
        negative_scores: Tensor,
        is_negative: Tensor,
        negatives: Negatives,
        num_rows: int | Tensor,
    ) -> Tensor:
        if not isinstance(num_rows, int):
            raise ValueError(
                "`table` must have a known number of rows, from which gBCE's beta follows, "
                "received a tensor of shape (None, D)."
            )
        num_items = num_rows - NUM_RESERVED_INDICES
        beta = gbce_beta(self.num_negatives, num_items, self.calibration)
        return gbce(positive_scores, negative_scores, is_negative, beta)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "num_negatives": self.num_negatives,
            "calibration": self.calibration,
            "temperature": self.temperature,
            "is_shared": self.is_shared,
        }
