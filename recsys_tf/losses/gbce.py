"""The binary cross-entropy of a positive and of sampled negatives, plain and generalised."""

from __future__ import annotations

from keras import ops

from recsys_tf.types import Tensor


def negative_binary_crossentropy(
    positive_scores: Tensor, negative_scores: Tensor, is_negative: Tensor
) -> Tensor:
    r"""Computes `-(log s(p) + sum_k log(1 - s(n_k))) / (K + 1)` of each position, `s` the sigmoid.

    SASRec's own loss. Negatives are rarer in the sample than in the catalogue, so that all
    probabilities come out too high and the head of the list is told apart badly: see `gbce`.

    Args:
        positive_scores: float `[M]`, `p`.
        negative_scores: float `[M, K]`, `n`.
        is_negative: bool `[M, K]`; False, where a draw hit the positive, leaves it out, and `K`
            counts the others.

    Returns:
        float32 `[M]`.

    Example:
        >>> loss = negative_binary_crossentropy([0.0], [[0.0, 9.0]], [[True, False]])
        >>> round(float(loss[0]), 4)  # (log 2 + log 2) / 2
        0.6931

    Source:
        Kang and McAuley, 2018, "Self-Attentive Sequential Recommendation",
        https://arxiv.org/abs/1808.09781, section III.E; there a sum with one negative.
    """
    return gbce(positive_scores, negative_scores, is_negative, 1.0)


def gbce(
    positive_scores: Tensor, negative_scores: Tensor, is_negative: Tensor, beta: Tensor | float
) -> Tensor:
    r"""Computes `-(beta log s(p) + sum_k log(1 - s(n_k))) / (K + 1)` of each position.

    The positive's probability is raised to `beta`, below 1: that undoes the overconfidence that
    sampling brings. `gbce_beta` computes it.

    Args:
        positive_scores: float `[M]`, `p`.
        negative_scores: float `[M, K]`, `n`.
        is_negative: bool `[M, K]`; False, where a draw hit the positive, leaves it out, and `K`
            counts the others.
        beta: From the sampling rate to 1; 1 is the plain binary cross-entropy.

    Returns:
        float32 `[M]`.

    Example:
        >>> loss = gbce([0.0], [[0.0]], [[True]], beta=0.5)
        >>> round(float(loss[0]), 4)  # (log 2 / 2 + log 2) / 2
        0.5199

    Source:
        Petrov and Macdonald, 2023, "gSASRec: Reducing Overconfidence in Sequential Recommendation
        Trained with Negative Sampling", https://arxiv.org/abs/2308.07192, section 5.
    """
    of_positive = beta * ops.softplus(-ops.cast(positive_scores, "float32"))
    kept = ops.cast(is_negative, "float32")
    of_negatives = ops.sum(kept * ops.softplus(ops.cast(negative_scores, "float32")), axis=1)
    return (of_positive + of_negatives) / (ops.sum(kept, axis=1) + 1.0)


def gbce_beta(num_negatives: int, num_items: int, calibration: float) -> float:
    r"""Computes `beta = a (t (1 - 1/a) + 1/a) = 1 - t (1 - a)` from the sampling rate `a`.

    `a = K / (N - 1)`, at most 1: the share of the other items that stands in a sample.

    Args:
        num_negatives: `K`.
        num_items: `N`, without padding and unknown.
        calibration: `t`, from 0 (the plain binary cross-entropy) to 1 (probabilities as if against
            all items).

    Returns:
        `beta`, from `a` to 1.

    Example:
        >>> gbce_beta(num_negatives=25, num_items=101, calibration=1.0)
        0.25

    Source:
        Petrov and Macdonald, 2023, https://arxiv.org/abs/2308.07192, section 5.3.
    """
    rate = min(num_negatives / max(num_items - 1, 1), 1.0)
    return 1.0 - calibration * (1.0 - rate)
