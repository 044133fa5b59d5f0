"""Errors of a prediction whose label is seen in selected rows only, as if it were seen in all.

A row is selected with probability `o`, its propensity, such as that of a click before a purchase.
The mean error of the selected rows is not the mean error of all: what is likely to be clicked
counts more. The mean over ALL rows of the errors here is, in expectation over the selection.

Source: Wang et al., 2022, "ESCM2: Entire Space Counterfactual Multi-Task Model for Post-Click
Conversion Rate Estimation", https://arxiv.org/abs/2204.05125, the counterfactual risk.
"""

from __future__ import annotations

from keras import ops

from recsys_tf.types import Tensor


def inverse_propensity_error(errors: Tensor, is_selected: Tensor, propensities: Tensor) -> Tensor:
    """Computes `s e / o` of each row, whose mean over all rows estimates the mean of `e`.

    Unbiased where the propensities are right. Of high variance where they are small.

    Args:
        errors: float `[B]`, the errors `e`; what stands in a row that is not selected is not used.
        is_selected: float `[B]`, `s`: 1 where the label is seen, else 0.
        propensities: float `[B]`, above 0.

    Returns:
        float32 `[B]`. Not self-normalised, as in the paper: divide by the rows, not by `sum(s/o)`.

    Example:
        >>> rows = inverse_propensity_error([0.5, 9.0, 2.0], [1.0, 0.0, 1.0], [0.5, 0.5, 0.25])
        >>> [float(row) for row in rows]
        [1.0, 0.0, 8.0]
    """
    errors, is_selected = ops.cast(errors, "float32"), ops.cast(is_selected, "float32")
    weights = is_selected / ops.cast(propensities, "float32")
    return ops.where(is_selected > 0, errors, ops.zeros_like(errors)) * weights


def doubly_robust_error(
    errors: Tensor, imputed: Tensor, is_selected: Tensor, propensities: Tensor
) -> Tensor:
    """Computes `i + s (e - i) / o` of each row, whose mean over all rows estimates that of `e`.

    Unbiased where the propensities are right, whatever is imputed, and where the imputed errors
    are right, whatever the propensities. The nearer they are, the lower the variance.

    Take the gradient of the imputed errors away (`stop_gradient`) where they have parameters of
    their own: here they get `1 - s / o`, whose mean is 0 with right propensities, but above 0 where
    those are kept above a floor, and would come out too low. `imputation_error` teaches them.

    Args:
        errors: float `[B]`, the errors `e`; what stands in a row that is not selected is not used.
        imputed: float `[B]`, `i`: what the error of each row is thought to be.
        is_selected: float `[B]`, `s`: 1 where the label is seen, else 0.
        propensities: float `[B]`, above 0.

    Returns:
        float32 `[B]`.

    Example:
        >>> rows = doubly_robust_error([0.5, 9.0], [1.0, 1.0], [1.0, 0.0], [0.5, 0.5])
        >>> [float(row) for row in rows]
        [0.0, 1.0]
    """
    imputed = ops.cast(imputed, "float32")
    missed = ops.cast(errors, "float32") - imputed
    return imputed + inverse_propensity_error(missed, is_selected, propensities)


def imputation_error(
    errors: Tensor, imputed: Tensor, is_selected: Tensor, propensities: Tensor
) -> Tensor:
    """Computes `s (e - i)^2 / o` of each row, from which the imputed errors are learned.

    The errors are targets here and get no gradient. In the paper's sum they get one, `1 + 2 (e -
    i)` times what the doubly robust error gives them, so that a head is paid for errors that are
    easily foretold: rare successes count several times, and its probabilities come out wrong.

    Args:
        errors: float `[B]`, the errors `e`; what stands in a row that is not selected is not used.
        imputed: float `[B]`, `i`.
        is_selected: float `[B]`, `s`: 1 where the label is seen, else 0.
        propensities: float `[B]`, above 0.

    Returns:
        float32 `[B]`.

    Example:
        >>> rows = imputation_error([0.5, 9.0], [1.0, 1.0], [1.0, 0.0], [0.5, 0.5])
        >>> [float(row) for row in rows]
        [0.5, 0.0]
    """
    missed = ops.stop_gradient(ops.cast(errors, "float32")) - ops.cast(imputed, "float32")
    return inverse_propensity_error(ops.square(missed), is_selected, propensities)
