"""The softmax against a sample of the items, as if it were against all."""

from __future__ import annotations

from keras import ops

from recsys_tf.types import Tensor

# Stands for the score of what is no negative; its exponential is 0 beside any other.
_NO_SCORE = -1e38


def sampled_softmax(
    positive_scores: Tensor,
    negative_scores: Tensor,
    is_negative: Tensor,
    log_expected_counts: Tensor | float = 0.0,
) -> Tensor:
    r"""Computes `log(e^p + sum_k e^(n_k - log c_k)) - p` of each position.

    `c_k` is how often the item of draw `k` is expected among the draws, `K q_k` for `K` draws from
    probabilities `q`. The corrected sum then estimates that over all items without bias, and with
    each item drawn once (`c = 1`) it is that sum. The positive is no draw and is not corrected.
    With `log c = 0` throughout, the loss only ranks the positive before the sample.

    Args:
        positive_scores: float `[M]`, `p`.
        negative_scores: float `[M, K]`, `n`.
        is_negative: bool `[M, K]`; False, where a draw hit the positive, leaves it out.
        log_expected_counts: float `[K]` or `[M, K]`, `log c`.

    Returns:
        float32 `[M]`; 0 where no negative is left.

    Example:
        >>> from math import log
        >>> loss = sampled_softmax([0.0], [[0.0, 5.0]], [[True, False]], [log(0.25), 0.0])
        >>> round(float(loss[0]), 4)  # log(1 + 1 / 0.25)
        1.6094

    Source:
        Jean et al., 2015, "On Using Very Large Target Vocabulary for Neural Machine Translation",
        https://arxiv.org/abs/1412.2007, section 3; Yi et al., 2019, "Sampling-Bias-Corrected Neural
        Modeling for Large Corpus Item Recommendations", https://doi.org/10.1145/3298689.3346996.
    """
    positive = ops.cast(positive_scores, "float32")
    negative = ops.cast(negative_scores, "float32") - ops.cast(log_expected_counts, "float32")
    negative = ops.where(is_negative, negative, ops.full_like(negative, _NO_SCORE))
    return ops.softplus(ops.logsumexp(negative, axis=1) - positive)
