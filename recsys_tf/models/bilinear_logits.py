"""What two features say together in each task: the bilinear model beside the heads, or alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from recsys_tf.config import BilinearConfig, ModelConfig
from recsys_tf.layers import Bilinear
from recsys_tf.naming import unknown_name_message
from recsys_tf.schema import FeaturesAndTasks


def biased_tasks(schema: FeaturesAndTasks) -> tuple[str, ...]:
    """Returns the ranking tasks of one number a row, in which users and items have biases."""
    return tuple(t.name for t in schema.ranking_tasks if t.kind in ("regression", "binary"))


def is_bilinear_alone(config: ModelConfig) -> bool:
    """Returns whether the logits are the bilinear model's alone."""
    return config.bilinear is not None and config.bilinear.is_alone


def check_bilinear(
    config: ModelConfig,
    query: Collection[str],
    candidate: Collection[str],
    schema: FeaturesAndTasks,
) -> None:
    """Checks that the bilinear model's features are on their sides, and that a task has a use.

    Args:
        config: Names the features.
        query: Names of the features that may give `u`.
        candidate: Names of the features that may give `v`.
        schema: Features and tasks.

    Raises:
        ValueError: If a feature is another, there is no ranking task of one number, or one of
            another kind where the model is to stand alone.
    """
    if config.bilinear is None:
        return
    for field, known in (("query_feature", query), ("candidate_feature", candidate)):
        name = getattr(config.bilinear, field)
        if name not in known:
            raise ValueError(unknown_name_message(f"bilinear.{field}", name, known))
    if not biased_tasks(schema):
        raise ValueError(
            "`bilinear` must be None without a ranking task of one number, to whose logit it is "
            "added; give the schema a task of kind 'binary' or 'regression'."
        )
    others = [t.name for t in schema.ranking_tasks if t.name not in biased_tasks(schema)]
    if config.bilinear.is_alone and others:
        raise ValueError(
            "`bilinear.is_alone` must be False with a ranking task of several numbers, received "
            f"{', '.join(map(repr, others))}: the product is one number a row, and there is no "
            "head besides."
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
    sizes = config.form, config.rank, config.initial_scale, config.is_alone
    products = {
        name: Bilinear(*sizes, initial_biases.get(name, 0.0), name=f"{name}_bilinear")(u, v)
        for name in tasks
    }
    added = {
        name: logits[name] + each if name in logits else each for name, each in products.items()
    }
    return {**logits, **added}
