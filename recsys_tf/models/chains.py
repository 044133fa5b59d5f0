"""Tasks that come after others: products of probabilities, and the losses of their factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keras import ops

from recsys_tf.config import ModelConfig
from recsys_tf.heads import TaskHeads
from recsys_tf.losses import (
    binary_crossentropy,
    doubly_robust_error,
    imputation_error,
    inverse_propensity_error,
    masked_mean,
    present_labels,
    step_order_violation,
)
from recsys_tf.schema import FeaturesAndTasks
from recsys_tf.types import Tensor, TensorDict


@dataclass(frozen=True)
class Chain:
    """What the head of a task that comes after another predicts, and what its error is.

    Attributes:
        is_product: Whether it predicts the task given the other's success, so that the task's
            probability is the product of the two.
        estimate: The error of that head over all rows, float32 `[B]`, from its cross-entropies, the
            successes before it, their propensities, and the imputed errors or None; None for no
            loss beside that of the product.
        has_imputed_errors: Whether a further head tells what the error is thought to be.
    """

    is_product: bool = True
    estimate: Callable[..., Tensor] | None = None
    has_imputed_errors: bool = False


def _by_propensity(errors: Tensor, success: Tensor, propensities: Tensor, _: None) -> Tensor:
    return inverse_propensity_error(errors, success, propensities)


def _doubly_robust(
    errors: Tensor, success: Tensor, propensities: Tensor, imputed: Tensor
) -> Tensor:
    # Its gradient, `1 - s / o`, is above 0 in the mean where clicks are rarer than the floor.
    robust = doubly_robust_error(errors, ops.stop_gradient(imputed), success, propensities)
    return robust + imputation_error(errors, imputed, success, propensities)


CHAINS: dict[str, Chain] = {
    "none": Chain(is_product=False),
    "esmm": Chain(),
    "escm2_ips": Chain(estimate=_by_propensity),
    "escm2_dr": Chain(estimate=_doubly_robust, has_imputed_errors=True),
}
"""Chains by name, `model.chain`."""


def conditional_name(task: str) -> str:
    """Names the output that holds the logit of a task given the success of the one before."""
    return f"{task}/conditional"


def imputed_error_name(task: str) -> str:
    """Names the output that holds what the error of that logit is thought to be."""
    return f"{task}/imputed_error"


def check_chain(schema: FeaturesAndTasks, config: ModelConfig) -> None:
    """Checks that a configuration of chains meets a schema with one.

    Raises:
        ValueError: If it does not.
    """
    is_wanted = {
        "chain": CHAINS[config.chain].is_product,
        "calibrator_weight": config.calibrator_weight > 0,
    }
    for field in is_wanted:
        if is_wanted[field] and not schema.parents:
            raise ValueError(
                f"`{field}` {getattr(config, field)!r} needs a task that comes after another: name "
                "the other in the task's `after` in the schema."
            )


def product_logit(first: Tensor, second: Tensor) -> Tensor:
    """Computes the logit of the product of two probabilities, `logit(s(a) s(b))`.

    As `1 / (s(a) s(b)) - 1 = e^-a + e^-b + e^-(a + b)`, the logit is minus the logarithm of that
    sum: exact for logits of any size, and no gradient is above 1.

    Args:
        first: float `[B]`, a logit `a`.
        second: float `[B]`, a logit `b`.

    Returns:
        float32 `[B]`.

    Example:
        >>> [round(float(z), 4) for z in product_logit([0.0, 100.0], [0.0, -100.0])]
        [-1.0986, -100.0]

    Source: `pCTCVR = pCTR pCVR` of Ma et al., 2018, "Entire Space Multi-Task Model: An Effective
        Approach for Estimating Post-Click Conversion Rate", https://arxiv.org/abs/1804.07931,
        equation 1; there multiplied as probabilities.
    """
    first, second = ops.cast(first, "float32"), ops.cast(second, "float32")
    return -ops.logsumexp(ops.stack([-first, -second, -first - second], axis=-1), axis=-1)


def imputed_errors(
    of_tasks: Mapping[str, Any], parents: Mapping[str, str], config: ModelConfig
) -> dict[str, Any]:
    """Applies the imputation heads, where the chain has any.

    Args:
        of_tasks: Symbolic float `[B, H]` by task, what the heads read; an imputation head reads
            its task's.
        parents: By task that comes after another, that other.
        config: Names the chain, and sizes the heads.

    Returns:
        By `imputed_error_name`, symbolic float32 `[B]`, 0 or more, as an error is.
    """
    if not CHAINS[config.chain].has_imputed_errors:
        return {}
    heads = TaskHeads(
        dict.fromkeys(parents), config.head_dims, dropout=config.dropout, name="imputation_heads"
    )
    imputed = heads({name: of_tasks[name] for name in parents})
    return {
        imputed_error_name(name): ops.softplus(ops.cast(each, "float32"))
        for name, each in imputed.items()
    }


def chained(
    logits: Mapping[str, Any], parents: Mapping[str, str], config: ModelConfig
) -> dict[str, Any]:
    """Turns logits given the step before into logits of the whole event.

    Args:
        logits: Symbolic logits by task, as the heads give them, and other outputs.
        parents: By task that comes after another, that other; the first steps of a chain first.
        config: Names the chain.

    Returns:
        The same, but for each task of `parents` the logit of the product; what its head gave is
        under `conditional_name`. With the chain `none` as given.
    """
    outputs = dict(logits)
    if not CHAINS[config.chain].is_product:
        return outputs
    for name, parent in parents.items():
        outputs[conditional_name(name)] = logits[name]
        outputs[name] = product_logit(outputs[parent], logits[name])
    return outputs


def chain_penalties(
    parents: Mapping[str, str],
    config: ModelConfig,
    labels: TensorDict,
    outputs: TensorDict,
    weights: TensorDict,
) -> dict[str, Tensor]:
    """Computes what is added to the loss of each task that comes after another.

    With `escm2_ips` and `escm2_dr` the error of the conditional head, the cross-entropy of its
    logit where the step before succeeded, is estimated for all rows, and multiplied by
    `counterfactual_weight`. The propensity is the predicted probability of the step before, at
    least `propensity_floor`, without a gradient. `calibrator_weight` multiplies the mean of
    `step_order_violation`.

    Args:
        parents: By task that comes after another, that other.
        config: Names the chain and its factors.
        labels: By task, float `[B]`, NaN where missing.
        outputs: What `chained` returned.
        weights: By task, float `[B]`.

    Returns:
        By task a float32 scalar: a mean over the rows with a label of the task, and for the
        conditional head of the step before as well; 0 where there is none.

    Source: Wang et al., 2022, https://arxiv.org/abs/2204.05125, the counterfactual risks of
        ESCM2-IPS and ESCM2-DR beside the global risk, which is the loss of the product. Xi et al.,
        2021, https://arxiv.org/abs/2105.08489, the calibrator. Differences: no gradient of the
        imputation's loss reaches the conditional head (see `imputation_error`), and none of the
        doubly robust error the imputation head, as in the joint learning of Wang et al., 2019,
        "Doubly Robust Joint Learning for Recommendation on Data Missing Not at Random",
        https://proceedings.mlr.press/v97/wang19n.html. In the published code of ESCM2, in
        PaddleRec (models/multitask/escm2), both pass; where the propensities are kept above the
        rate of the clicks, the imputed errors then come out too low. The conditional head itself
        gets, there as here, the gradient of inverse propensities: what is imputed shapes what the
        heads share. The imputation head reads the vector of its task, and its errors are a
        softplus, not below 0.
    """
    penalties, estimate = {}, CHAINS[config.chain].estimate
    for name, parent in parents.items():
        label, is_present = present_labels(labels[name])
        present = weights[name] * is_present
        if config.calibrator_weight:
            rows = step_order_violation(outputs[name], outputs[parent])
            penalties[name] = config.calibrator_weight * masked_mean(rows, present)
        if estimate is not None:
            success, is_known = present_labels(labels[parent])
            rows = _counterfactual_error(estimate, name, parent, config, label, success, outputs)
            penalties[name] = config.counterfactual_weight * masked_mean(rows, present * is_known)
    return penalties


def _counterfactual_error(
    estimate: Callable[..., Tensor],
    name: str,
    parent: str,
    config: ModelConfig,
    label: Tensor,
    success: Tensor,
    outputs: TensorDict,
) -> Tensor:
    """Estimates the conditional head's error of each row, float32 `[B]`."""
    errors = binary_crossentropy(label, outputs[conditional_name(name)])
    propensities = ops.sigmoid(ops.cast(ops.stop_gradient(outputs[parent]), "float32"))
    propensities = ops.maximum(propensities, config.propensity_floor)
    return estimate(errors, success, propensities, outputs.get(imputed_error_name(name)))
