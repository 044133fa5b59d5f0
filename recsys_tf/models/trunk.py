"""The shared trunk: crosses of both towers' features, the multi-task block, the heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from recsys_tf.config import ModelConfig
from recsys_tf.models.bilinear_logits import add_bilinear, is_bilinear_alone
from recsys_tf.models.chains import chained
from recsys_tf.models.judgement import (
    cross_layers,
    join_cross,
    join_fields,
    judge,
    part_rows,
    reads_parts,
)
from recsys_tf.models.target_reading import attend
from recsys_tf.models.towers import Tower

TRUNK_PARTS = (
    *("embedding", "features", "label_biases", "matched", "scenario", "prior"),
    *("events", "is_event", "target"),
)
"""What the trunk takes of a tower's outputs."""


def trunk_inputs(
    query: Mapping[str, Any], candidate: Mapping[str, Any], config: ModelConfig
) -> dict[str, Any]:
    """Names what both towers gave as the trunk takes it.

    Args:
        query: The query tower's outputs, a row for each pair.
        candidate: The candidate tower's outputs, a row for each pair.
        config: Says what the trunk leaves: all but `matched` where a bilinear model stands alone;
            the `embedding`, which mixes all features, where the multi-task block reads parts.

    Returns:
        Those of `TRUNK_PARTS` that there are, each as `<side>_<part>`.
    """
    parts: Sequence[str] = ("matched",) if is_bilinear_alone(config) else TRUNK_PARTS
    if reads_parts(config):
        parts = [each for each in parts if each != "embedding"]
    return {
        f"{side}_{part}": tower[part]
        for side, tower in (("query", query), ("candidate", candidate))
        for part in parts
        if part in tower
    }


def build_trunk(
    query: Tower,
    candidate: Tower,
    num_outputs: Mapping[str, int | None],
    biased: Sequence[str],
    config: ModelConfig,
    initial_biases: Mapping[str, float],
    num_scenarios: int | None,
    parents: Mapping[str, str],
) -> keras.Model:
    """Builds the part that judges one query with one candidate.

    Its first input `x0` joins a projection of each tower's features, the product of the two
    embeddings, unit by unit, and that product's sum, and what the target attention finds in the
    history, where there is one. Crosses and dense layers follow, then the scenario block, the
    multi-task block and the heads. To a logit of one number come the user's and the item's own
    biases in that task, `label_biases`: how strict a user is, and what there is to say of an item
    whoever asks, need no layer in between. So does what the configuration's `bilinear` says of two
    features' vectors, `matched`; with `bilinear.is_alone` that and the task's bias are all.

    Args:
        query: The query tower.
        candidate: The candidate tower.
        num_outputs: Logits of each ranking task: None for one number, else the classes.
        biased: Names of the tasks of one number, in the order of `label_biases`.
        config: Sizes and blocks.
        initial_biases: Where the heads start, by task.
        num_scenarios: Rows of the scenario's table; None where there is no scenario.
        parents: By task that comes after another, that other; the first steps of a chain first.

    Returns:
        A functional model named `trunk` from `query_embedding`, `candidate_embedding`,
        `query_features`, `candidate_features`, `query_label_biases` and `candidate_label_biases`
        (where a task is biased), `query_matched` and `candidate_matched` (with `bilinear`),
        `query_prior` and `candidate_prior` (with `scenario_prior`), `query_events` and
        `candidate_target` (with `target_attention`), each float `[B, ...]`, `query_is_event`, bool
        `[B, L]`, and `query_scenario`, int `[B]` (where a block reads it),
        to logits by task and what the chain adds to them.
    """
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in trunk_inputs(query.outputs, candidate.outputs, config).items()
    }
    logits = {}
    if not is_bilinear_alone(config):
        logits = judge(
            cross_layers(_first(inputs, len(num_outputs), config), config),
            inputs.get("query_scenario"),
            num_scenarios,
            num_outputs,
            config,
            initial_biases,
            parents,
            _prior(inputs),
        )
    for index, name in enumerate(biased):
        for side in ("query", "candidate"):
            if f"{side}_label_biases" in inputs:
                logits[name] = logits[name] + inputs[f"{side}_label_biases"][:, index]
    if config.bilinear is not None:
        matched = inputs["query_matched"], inputs["candidate_matched"]
        logits = add_bilinear(logits, *matched, biased, config.bilinear, initial_biases)
    return keras.Model(inputs, chained(logits, parents, config), name="trunk")


def _first(inputs: Mapping[str, Any], num_tasks: int, config: ModelConfig) -> Any:
    """Joins what the towers gave to the trunk's first input `x0`, `[B, D0]`.

    Of a multi-task block that reads parts of embeddings, the features alone, see `part_rows`.
    """
    if reads_parts(config):
        fields = part_rows(_fields(inputs, [], config), num_tasks, config)
        first = join_fields(fields)
        return first if config.cross is None else join_cross(first, fields, config)
    project = {
        side: keras.layers.Dense(config.expert_dim, name=f"{side}_projection")
        for side in ("query", "candidate")
    }
    product = inputs["query_embedding"] * inputs["candidate_embedding"]
    projected = [project[side](inputs[f"{side}_features"]) for side in project]
    if product.dtype != projected[0].dtype:
        # The embeddings are float32; here they are features among others.
        product = ops.cast(product, projected[0].dtype)
    parts = [
        *projected,
        product,
        ops.sum(product, axis=-1, keepdims=True),
    ]
    attended = _attended(inputs, config)
    first = ops.concatenate([*parts, *attended], axis=-1)
    if config.cross is None:
        return first
    return join_cross(first, _fields(inputs, attended, config), config)


def _prior(inputs: Mapping[str, Any]) -> Any | None:
    """Joins what both sides give the scenario block besides the scenario, `[B, P]`, or None."""
    parts = [inputs[name] for name in ("query_prior", "candidate_prior") if name in inputs]
    return ops.concatenate(parts, axis=-1) if parts else None


def _attended(inputs: Mapping[str, Any], config: ModelConfig) -> list[Any]:
    """Returns what the target attention finds, `[B, D]`; nothing where there is none."""
    if config.target_attention is None:
        return []
    names = ("query_events", "query_is_event", "candidate_target")
    events, is_event, target = (inputs[name] for name in names)
    return [attend(events, is_event, target, config)]


def _fields(inputs: Mapping[str, Any], attended: Sequence[Any], config: ModelConfig) -> Any:
    """Cuts the towers' features into vectors of one width, `[B, F, D]`; joined ones are projected.

    What the target attention finds is one vector more.
    """
    width, parts = config.embedding_dim, []
    for side in ("query", "candidate"):
        features = inputs[f"{side}_features"]
        if features.shape[-1] % width:
            features = keras.layers.Dense(width, name=f"{side}_field")(features)
        parts.append(ops.reshape(features, (-1, features.shape[-1] // width, width)))
    return ops.concatenate([*parts, *(ops.expand_dims(each, 1) for each in attended)], axis=1)
