"""Reciprocal rank fusion."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from recsys_tf.score_fusion.calibration import Calibration
from recsys_tf.score_fusion.fusion import ScoreFusion
from recsys_tf.score_fusion.ranks import mean_ranks
from recsys_tf.types import Tensor


class RankFusion(ScoreFusion):
    """Computes `sum_t w_t / (c + rank_t)` over the candidates of each request.

    `rank_t` is the candidate's place, from 1 on, by task `t`; equal predictions share the mean of
    their places. To choose where predictions have no common unit and no rows to calibrate on, as
    with several models: only orders count, so that a calibration changes nothing, and the first
    places count most.

    Args:
        weights: Factor by task; 1 for each in the paper.
        tasks: The tasks there are.
        calibrations: Calibration by task; see `ScoreFusion`.
        offset: `c`, above -1; larger lets lower places count for more. 60 in the paper.

    Raises:
        ValueError: If a weight names a task that there is not, there is no weight, `offset` is
            not above -1, or predictions are not `[B, N]`.

    Example:
        >>> fusion = RankFusion({"click": 1.0, "buy": 1.0}, ["click", "buy"], offset=1)
        >>> scores = fusion({"click": [[0.9, 0.5]], "buy": [[0.1, 0.2]]})
        >>> [round(float(score), 4) for score in scores[0]]  # 1/2 + 1/3
        [0.8333, 0.8333]

    Source: Cormack, Clarke and Buettcher, 2009, "Reciprocal Rank Fusion outperforms Condorcet and
        individual Rank Learning Methods", https://doi.org/10.1145/1571941.1572114, section 2.
        Weights are added.
    """

    reads_list: ClassVar[bool] = True

    def __init__(
        self,
        weights: Mapping[str, float],
        tasks: Iterable[str],
        calibrations: Mapping[str, Calibration] | None = None,
        offset: float = 60.0,
    ) -> None:
        super().__init__(weights, tasks, calibrations)
        if not math.isfinite(offset) or offset <= -1:
            raise ValueError(f"`offset` must be a number above -1, received {offset!r}.")
        self.offset = float(offset)

    def term(self, task: str, values: Tensor, is_candidate: Tensor | None) -> Tensor:
        """Computes `1 / (c + rank)`."""
        return 1 / (self.offset + mean_ranks(values, is_candidate))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain JSON values."""
        return {**super().get_config(), "offset": self.offset}
