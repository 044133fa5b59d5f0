"""The scenario of a row, hidden at times from all that reads it, and what is read beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from recsys_tf.config import ModelConfig
from recsys_tf.layers import IdDropout
from recsys_tf.naming import unknown_name_message
from recsys_tf.schema import FeaturesAndTasks, FeatureSpec


def check_scenario_prior(schema: FeaturesAndTasks, config: ModelConfig) -> None:
    """Checks that the features beside the scenario are there.

    Args:
        schema: Features and tasks.
        config: Names the features.

    Raises:
        ValueError: If one is not.
    """
    known = [each.name for each in schema.features]
    for name in config.scenario_prior:
        if name not in known:
            raise ValueError(unknown_name_message("scenario_prior", name, known))


def join_prior(vectors: Mapping[str, Any], config: ModelConfig) -> Any | None:
    """Joins the vectors of `scenario_prior`.

    Args:
        vectors: Symbolic float `[B, D]` by the name of a feature.
        config: Names the features.

    Returns:
        Symbolic float `[B, P]` of those that are there; None where there are none.
    """
    parts = [vectors[name] for name in config.scenario_prior if name in vectors]
    return ops.concatenate(parts, axis=-1) if parts else None


def check_scenario_dropout(schema: FeaturesAndTasks, config: ModelConfig) -> None:
    """Checks that there is a scenario where some are to be hidden.

    Args:
        schema: Features and tasks.
        config: Gives the share.

    Raises:
        ValueError: If there is none.
    """
    if config.scenario_dropout and schema.scenario is None:
        raise ValueError(
            f"`scenario_dropout` must be 0 without a scenario, received {config.scenario_dropout}: "
            "name the schema's `scenario.feature`, or take the share back."
        )


def drop_scenarios(
    indices: Any, spec: FeatureSpec, schema: FeaturesAndTasks, config: ModelConfig
) -> Any:
    """Hides a share of the scenarios as unknown while training.

    By one draw for the feature's encoder and the scenario block: the row is then trained as one of
    a scenario that is new, of which neither knows.

    Args:
        indices: A feature's symbolic input.
        spec: The feature.
        schema: Says which feature tells the scenario.
        config: Gives the share.

    Returns:
        What reads the feature reads; `indices` itself where nothing is to be hidden.
    """
    scenario = schema.scenario
    if not config.scenario_dropout or scenario is None or spec.name != scenario.feature:
        return indices
    return IdDropout(config.scenario_dropout, name="scenario_dropout")(indices)
