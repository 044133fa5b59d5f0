"""Each pair of a positive and a negative, ranked the right way round."""

from __future__ import annotations

from keras import ops

from recsys_tf.types import Tensor


def bayesian_personalized_ranking(
    positive_scores: Tensor, negative_scores: Tensor, is_negative: Tensor
) -> Tensor:
    r"""Computes `mean_k -log sigmoid(p - n_k)` of each position.

    A smooth form of the AUC: every pair counts alike, wherever in the list it stands. For metrics
    of the list's head, losses of the softmax family rank better.

    Args:
        positive_scores: float `[M]`, `p`.
        negative_scores: float `[M, K]`, `n`.
        is_negative: bool `[M, K]`; False, where a draw hit the positive, leaves it out.

    Returns:
        float32 `[M]`; 0 where no negative is left.

    Example:
        >>> loss = bayesian_personalized_ranking([1.0], [[1.0, 9.0]], [[True, False]])
        >>> round(float(loss[0]), 4)  # log 2
        0.6931

    Source:
        Rendle et al., 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback",
        https://arxiv.org/abs/1205.2618, section 4.1; there with one negative a step.
    """
    positive = ops.cast(positive_scores, "float32")
    errors = ops.softplus(ops.cast(negative_scores, "float32") - positive[:, None])
    kept = ops.cast(is_negative, "float32")
    return ops.sum(kept * errors, axis=1) / ops.maximum(ops.sum(kept, axis=1), 1.0)
