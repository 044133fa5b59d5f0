"""Assembles towers, trunk and heads into one functional Keras model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from recsys_tf.config import ModelConfig, RetrievalConfig
from recsys_tf.heads import TaskHeads
from recsys_tf.models.towers import build_towers, vector_name
from recsys_tf.models.trunk import build_trunk, trunk_inputs
from recsys_tf.schema import FeaturesAndTasks, Schema, TaskSpec
from recsys_tf.types import FloatArray


def build_core(
    schema: Schema,
    num_indices: Mapping[str, int],
    config: ModelConfig,
    retrieval: RetrievalConfig,
    initial_biases: Mapping[str, float],
    text_backbones: Mapping[str, keras.Model],
    history_content: FloatArray | None = None,
) -> keras.Model:
    """Builds the model from transformed features to embeddings and logits.

    Args:
        schema: Features and tasks.
        num_indices: Rows of each feature's embedding table.
        config: Sizes and blocks.
        retrieval: Temperature and normalisation of the dot product.
        initial_biases: Where the ranking heads start, by task.
        text_backbones: By the name of a text, its transformer, where it is there already.
        history_content: See `build_towers`.

    Returns:
        A functional model with the layers `query_tower`, `candidate_tower` and, where there are
        ranking tasks, `trunk`. Inputs are the features by name; outputs are `query_embedding`,
        `candidate_embedding` and each task's logits.
    """
    query, candidate = build_towers(
        schema, num_indices, config, retrieval, text_backbones, history_content
    )
    inputs = {**query.inputs, **candidate.inputs}
    of_query = query.model({name: inputs[name] for name in query.inputs})
    of_candidate = candidate.model({name: inputs[name] for name in candidate.inputs})
    outputs = {
        "query_embedding": of_query["embedding"],
        "candidate_embedding": of_candidate["embedding"],
    }
    if schema.retrieval_task is not None:
        outputs[schema.retrieval_task.name] = (
            ops.sum(of_query["embedding"] * of_candidate["embedding"], axis=-1)
            / retrieval.temperature
        )
    if schema.ranking_tasks:
        trunk = build_trunk(
            query,
            candidate,
            {t.name: num_outputs(t, num_indices) for t in schema.ranking_tasks},
            [task.name for task in schema.single_tasks],
            config,
            initial_biases,
            num_scenarios(schema, num_indices),
            schema.parents,
        )
        outputs |= trunk(trunk_inputs(of_query, of_candidate, config))
    vectors = {**of_query, **of_candidate}
    for task in schema.auxiliary_tasks:
        outputs |= _auxiliary_head(task, vectors, num_indices, config)
    return keras.Model(inputs, outputs, name="core")


def num_scenarios(schema: FeaturesAndTasks, num_indices: Mapping[str, int]) -> int | None:
    """Returns the rows of the scenario's table, or None where the schema has no scenario."""
    return None if schema.scenario is None else num_indices[schema.scenario.feature]


def num_outputs(task: TaskSpec, num_indices: Mapping[str, int]) -> int | None:
    """Returns the number of a task's logits a row: None for one number, else the classes."""
    if task.kind in ("multiclass", "multilabel"):
        return num_indices[str(task.label)]
    return None


def _auxiliary_head(
    task: TaskSpec, vectors: Mapping[str, Any], num_indices: Mapping[str, int], config: ModelConfig
) -> dict[str, Any]:
    parts = [vectors[vector_name(feature)] for feature in task.from_features or ()]
    joined = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
    heads = TaskHeads(
        {task.name: num_outputs(task, num_indices)},
        config.head_dims,
        dropout=config.dropout,
        name=f"{task.name}_head",
    )
    return heads({task.name: joined})
