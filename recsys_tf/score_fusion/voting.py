"""The tasks as voters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import tensorflow as tf

from recsys_tf.layers.shapes import check_positive
from recsys_tf.score_fusion.calibration import Calibration
from recsys_tf.score_fusion.fusion import ScoreFusion
from recsys_tf.score_fusion.ranks import mean_ranks, num_candidates
from recsys_tf.types import Tensor


class Voting(ScoreFusion):
    """Counts Borda's votes: `sum_t w_t max(0, n + 1 - rank_t) / n`.

    Each task gives its first of `n` places a whole vote, the next `1 / n` less, and none beyond;
    equal predictions share the mean of their places. With `n` all candidates of the request it is
    Borda's count, with 1 each task has one vote for its best. Only orders count, as in
    `RankFusion`, but all places by the same step: choose it where an item that every task finds
    fairly good shall win over the favourite of one.

    Args:
        weights: Votes of each task.
        tasks: The tasks there are.
        calibrations: Calibration by task; see `ScoreFusion`.
        num_places: `n`; None for all candidates of a request.

    Raises:
        ValueError: If a weight names a task that there is not, there is no weight, `num_places`
            is below 1, or predictions are not `[B, N]`.

    Example:
        >>> fusion = Voting({"click": 1.0, "buy": 1.0}, ["click", "buy"])
        >>> votes = fusion({"click": [[0.9, 0.5, 0.1, 0.2]], "buy": [[0.1, 0.2, 0.4, 0.3]]})
        >>> votes.numpy().tolist()  # (4 + 1, 3 + 2, 1 + 4, 2 + 3) / 4
        [[1.25, 1.25, 1.25, 1.25]]

    Source: de Borda, 1781, "Memoire sur les elections au scrutin"; as a fusion of rankings: Aslam
        and Montague, 2001, "Models for metasearch", https://doi.org/10.1145/383952.384007, section
        3.1, there without `/ n`.
    """

    reads_list: ClassVar[bool] = True

    def __init__(
        self,
        weights: Mapping[str, float],
        tasks: Iterable[str],
        calibrations: Mapping[str, Calibration] | None = None,
        num_places: int | None = None,
    ) -> None:
        super().__init__(weights, tasks, calibrations)
        if num_places is not None:
            check_positive("num_places", num_places)
        self.num_places = num_places

    def term(self, task: str, values: Tensor, is_candidate: Tensor | None) -> Tensor:
        """Computes a task's votes, from 0 to 1."""
        ranks = mean_ranks(values, is_candidate)
        num_places = self.num_places or num_candidates(ranks, is_candidate)
        return tf.maximum(num_places + 1 - ranks, 0) / num_places

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain JSON values."""
        return {**super().get_config(), "num_places": self.num_places}
