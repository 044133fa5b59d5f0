"""What two features say together in each task: the bilinear model beside the heads, or alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from recsys_tf.config import BilinearConfig, ModelConfig
from recsys_tf.layers import Bilinear
from recsys_tf.naming import unknown_name_message
from recsys_tf.schema import FeaturesAndTasks

_OF_HEADS = ("head_dims", "dropout")
"""What a bilinear model alone reads for auxiliary tasks only."""


def is_bilinear_alone(config: ModelConfig) -> bool:
    """Returns whether the logits are the bilinear model's alone."""
    return config.bilinear is not None and config.bilinear.is_alone


def check_bilinear(
    config: ModelConfig,
    query: Collection[str],
    candidate: Collection[str],
    schema: FeaturesAndTasks,
) -> None:
    """Checks that the bilinear model's features are on their sides, and what it is for.

    Args:
        config: Names the features.
        query: Names of the features that may give `u`.
        candidate: Names of the features that may give `v`.
        schema: Features and tasks.

    Raises:
        ValueError: If a feature is another, there is no ranking task of one number, or where the
            model is to stand alone one of another kind, or a size of heads that no task has.
    """
    if config.bilinear is None:
        return
    for field, known in (("query_feature", query), ("candidate_feature", candidate)):
        name = getattr(config.bilinear, field)
        if name not in known:
            raise ValueError(unknown_name_message(f"bilinear.{field}", name, known))
    if not schema.single_tasks:
        raise ValueError(
            "`bilinear` must be None without a ranking task of one number, to whose logit it is "
            "added; give the schema a task of kind 'binary' or 'regression'."
        )
    if not config.bilinear.is_alone:
        return
    others = [task.name for task in schema.ranking_tasks if task not in schema.single_tasks]
    if others:
        raise ValueError(
            "`bilinear.is_alone` must be False with a ranking task of several numbers, received "
            f"{', '.join(map(repr, others))}: the product is one number a row, and there is no "
            "head besides."
        )
    unread = {} if schema.auxiliary_tasks else config.changed(_OF_HEADS)
    for name, value in unread.items():
        # As of a block's fields, "nothing" is what there is.
        if value:
            raise ValueError(
                f"`{name}` must be left out with `bilinear.is_alone` where no task is an auxiliary "
                f"one, since there is no head besides the product, received {value!r}."
            )


def add_bilinear(
    logits: Mapping[str, Any],
    u: Any,
    v: Any,
    tasks: Collection[str],
    config: BilinearConfig,
    initial_biases: Mapping[str, float],
) -> dict[str, Any]:
    """Adds `u^T Q_t v` to the logit of each task `t`, or makes the logits of it.

    Args:
        logits: Symbolic logits by task, as the heads give them; empty where the product stands
            alone.
        u: Symbolic float `[B, D]`.
        v: Symbolic float `[B, D]`.
        tasks: Names of the tasks of one number.
        config: Gives the form of the matrices.
        initial_biases: Where the biases start, by task.

    Returns:
        Symbolic logits by task. The product has a bias only where it stands alone: else the heads
        have one.
    """
    joined = dict(logits)
    for name in tasks:
        product = Bilinear(
            form=config.form,
            rank=config.rank,
            initial_scale=config.initial_scale,
            use_bias=config.is_alone,
            initial_bias=initial_biases.get(name, 0.0),
            name=f"{name}_bilinear",
        )(u, v)
        joined[name] = joined[name] + product if name in joined else product
    return joined
