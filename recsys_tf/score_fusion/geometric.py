"""The weighted geometric mean of the tasks' predictions."""

from __future__ import annotations

from keras import ops

from recsys_tf.score_fusion.fusion import ScoreFusion
from recsys_tf.types import Tensor

# Least prediction: far below any rate that rows can tell, and its log far from overflow.
_LEAST = 1e-12


class Geometric(ScoreFusion):
    """Computes `(prod_t max(p_t, 1e-12)^a_t)^(1 / sum_t |a_t|)`, which orders as the product does.

    To choose where an item must do well on every task: a low probability cannot be bought back by
    a high one, as in a sum. It is blind to the predictions' scale (a factor changes no order), so
    that tasks of different units join without a calibration, but not to their curvature. For
    predictions of 0 or more: probabilities, ratings. A dot product needs a calibration first.

    Computed as `exp(sum_t a_t log p_t / sum_t |a_t|)`. The root keeps the order and the unit of the
    predictions; the bare product of low probabilities to high powers is 0 in float32, for all
    items alike. A prediction of 0 or less counts as 1e-12, so that items with a 0 in one task are
    still ordered by the others, and a negative power has a value.

    Args:
        weights: Power `a_t` by task; may be negative.
        tasks: The tasks there are.
        calibrations: Calibration by task; see `ScoreFusion`.

    Raises:
        ValueError: If a weight names a task that there is not, or there is no weight.

    Example:
        >>> fusion = Geometric({"click": 1.0, "buy": 2.0}, ["click", "buy"])
        >>> round(float(fusion({"click": 0.8, "buy": 0.1})), 6)  # (0.8 * 0.01)^(1/3)
        0.2

    Source: Hinton, 2002, "Training Products of Experts by Minimizing Contrastive Divergence",
        https://doi.org/10.1162/089976602760128018, equation 1, without the normalisation over
        candidates, which changes no order; with powers as in the logarithmic opinion pool.
    """

    def term(self, task: str, values: Tensor, is_candidate: Tensor | None) -> Tensor:
        """Computes `log p`."""
        return ops.log(ops.maximum(values, _LEAST))

    def link(self, total: Tensor) -> Tensor:
        """Computes the root and `exp`, kept finite in float32."""
        size = sum(abs(weight) for weight in self.weights.values())
        # Within the bounds for all but predictions above 1e38: a prediction is at least 1e-12.
        return ops.exp(ops.clip(total / (size or 1.0), -87.0, 88.0))
