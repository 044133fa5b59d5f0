"""The ranker: all features of a row into one trunk, one head a task, one weighted loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import keras
from keras import ops

from recsys_tf.config import ModelConfig
from recsys_tf.encoders import JoinedCategories, make_encoder
from recsys_tf.models.bilinear_logits import add_bilinear, check_bilinear, is_bilinear_alone
from recsys_tf.models.chains import chained
from recsys_tf.models.core import num_outputs, num_scenarios
from recsys_tf.models.dtypes import layers_of_dtype
from recsys_tf.models.id_table_features import check_id_tables
from recsys_tf.models.judgement import cross_layers, join_cross, join_fields, judge, part_rows
from recsys_tf.models.multitask_model import MultitaskModel
from recsys_tf.models.once_per_row import OncePerRow
from recsys_tf.models.scenario_reading import (
    check_scenario_dropout,
    check_scenario_prior,
    drop_scenarios,
    join_prior,
)
from recsys_tf.models.target_reading import (
    attend,
    check_target_attention,
    drop_events,
    encoder_config,
    history_events,
)
from recsys_tf.models.task_steps import with_steps
from recsys_tf.models.text_backbones import make_backbones
from recsys_tf.models.towers import aligned_inputs, input_shapes
from recsys_tf.schema import FeaturesAndTasks, FeatureSpec, Schema, TableSchema

MAX_JOINED_INDICES = 1_000
"""Rows of the largest table that lies in one variable with its neighbours', see `_encode`.

Of a larger one the look-up and the update take longer than they take to start.
"""


@keras.saving.register_keras_serializable(package="recsys_tf")
class Ranker(MultitaskModel):
    """Judges rows: every feature is encoded, crossed with the others, and judged for each task.

    For rows that are known as a whole, such as an impression, where nothing is to be retrieved
    from a catalogue: there `Recommender` has two towers. The features' vectors `[B, F, D]` pass
    the crosses, dense layers, the scenario block, the multi-task block and one head a task, each
    as the configuration names it. The loss is `sum_t w_t loss_t`, each with what the chain of the
    configuration adds to it.

    Of the configuration are read: `embedding_dim`, the fields of the encoders, and all fields from
    `target_attention` to `dropout`, `bilinear` among them. Where `user_dropout` is None, users' ids
    are hidden as rarely as items': enough to learn the vector of an unknown one.

    Args:
        schema: Features and tasks; a `Schema` too, but for its retrieval and auxiliary tasks.
        num_indices: Rows of each feature's embedding table, as `FeatureState.num_indices` tells.
        config: Sizes and blocks.
        initial_biases: Where the heads start, by task; the log odds of a click, say.
        text_backbones: By the name of a text, its transformer, in place of what
            `config.text.preset` holds: so a saved model is made again where that is gone.
        **kwargs: Arguments of `keras.Model`; `dtype` is that of the layers.

    Raises:
        ValueError: If the configuration names an unknown block or a chain of no tasks,
            `num_indices` or the schema lacks a feature, or the schema holds a task of another kind.
    """

    def __init__(
        self,
        schema: FeaturesAndTasks,
        num_indices: Mapping[str, int],
        config: ModelConfig | None = None,
        *,
        initial_biases: Mapping[str, float] | None = None,
        text_backbones: Mapping[str, keras.Model] | None = None,
        **kwargs: Any,
    ) -> None:
        others = [task.name for task in schema.tasks if task not in schema.ranking_tasks]
        if others:
            raise ValueError(
                f"`schema` must hold ranking tasks only, received {', '.join(map(repr, others))}. "
                "`Recommender` learns retrieval and auxiliary tasks as well."
            )
        super().__init__(schema, num_indices, config, initial_biases, **kwargs)
        sizes = self.config
        if sizes.user_dropout is None:
            sizes = sizes.model_copy(update={"user_dropout": sizes.item_dropout})
        with layers_of_dtype(self.dtype_policy):
            self.core = _build_core(
                schema, self.num_indices, sizes, self.initial_biases, text_backbones or {}
            )
        # All variables are there, so the optimiser's can be made before the step is traced.
        self.built = True

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Ranker:
        """Builds the model from `get_config`'s result."""
        config = dict(config)
        values = config.pop("schema")
        kind = Schema if "user_id" in values else TableSchema
        schema = kind.from_dict(values)
        config["config"] = with_steps(
            ModelConfig.from_dict(config["config"]), schema, is_loaded=True
        )
        config["text_backbones"] = make_backbones(config.get("text_backbones", {}))
        return cls(schema, **config)


def _build_core(
    schema: FeaturesAndTasks,
    num_indices: Mapping[str, int],
    config: ModelConfig,
    initial_biases: Mapping[str, float],
    text_backbones: Mapping[str, keras.Model],
) -> keras.Model:
    names = [spec.name for spec in schema.features]
    check_bilinear(config, names, names, schema)
    check_target_attention(schema, config)
    check_id_tables(schema, config)
    check_scenario_dropout(schema, config)
    check_scenario_prior(schema, config)
    features = _read_features(schema, config)
    inputs = {
        name: keras.Input(shape, dtype=dtype, name=name)
        for spec in features
        for name, shape, dtype in input_shapes(spec)
    }
    read = dict(inputs)
    for spec in features:
        read[spec.name] = drop_scenarios(inputs[spec.name], spec, schema, config)
    fields, vectors = _encode(features, read, num_indices, config, text_backbones)
    logits = {}
    if not is_bilinear_alone(config):
        fields = part_rows(fields, len(schema.ranking_tasks), config)
        first = join_fields(fields)
        if config.cross is not None:
            first = join_cross(first, fields, config)
        logits = judge(
            cross_layers(first, config),
            None if schema.scenario is None else read[schema.scenario.feature],
            num_scenarios(schema, num_indices),
            {task.name: num_outputs(task, num_indices) for task in schema.ranking_tasks},
            config,
            initial_biases,
            schema.parents,
            join_prior(vectors, config),
        )
    if config.bilinear is not None:
        u, v = vectors[config.bilinear.query_feature], vectors[config.bilinear.candidate_feature]
        tasks = [task.name for task in schema.single_tasks]
        logits = add_bilinear(logits, u, v, tasks, config.bilinear, initial_biases)
    return keras.Model(inputs, chained(logits, schema.parents, config), name="core")


def _read_features(schema: FeaturesAndTasks, config: ModelConfig) -> tuple[FeatureSpec, ...]:
    """Returns the features that the model reads: all, but for a bilinear model alone."""
    pair = config.bilinear
    if pair is None or not pair.is_alone:
        return schema.features
    names = {pair.query_feature, pair.candidate_feature}
    # A history borrows the table of its item.
    names |= {each.of for each in schema.features if each.kind == "history" and each.name in names}
    return tuple(each for each in schema.features if each.name in names)


def _encode(
    features: Sequence[FeatureSpec],
    inputs: Mapping[str, Any],
    num_indices: Mapping[str, int],
    config: ModelConfig,
    text_backbones: Mapping[str, keras.Model],
) -> tuple[Any, dict[str, Any]]:
    """Returns the features' vectors `[B, F, D]`, and `[B, D]` by name those encoded by themselves.

    Neighbouring categories of few values are looked up together. What a target attention finds in
    the history is one vector more.
    """
    shared: dict[str, keras.layers.Layer] = {**text_backbones}
    vectors: dict[str, Any] = {}
    parts = []
    pair = config.bilinear
    alone = {*config.id_tables, *config.frequency_gates, *config.scenario_prior}
    alone |= set() if pair is None else {pair.query_feature, pair.candidate_feature}

    def is_joined(spec: FeatureSpec) -> bool:
        is_single = spec.kind == "categorical" and not spec.is_multivalent
        return (
            is_single
            and spec.name not in alone
            and num_indices.get(spec.name, MAX_JOINED_INDICES + 1) <= MAX_JOINED_INDICES
        )

    # A history borrows the table of its item, which must be there first.
    ordered = sorted(features, key=lambda each: each.kind == "history")
    for together, group in groupby(ordered, is_joined):
        specs = list(group)
        if together and len(specs) > 1:
            of_specs = {each.name: inputs[each.name] for each in specs}
            parts.append(_join(specs, num_indices, config)(of_specs))
            continue
        for spec in specs:
            of_spec = encoder_config(config)
            shared[spec.name] = encoder = make_encoder(spec, num_indices, of_spec, shared=shared)
            if spec.kind == "text":
                encoder = OncePerRow(encoder, name=f"{spec.name}_once")
            given = drop_events(inputs[spec.name], spec, config)
            told = aligned_inputs(spec, inputs)
            vectors[spec.name] = encoder(given, **told)
            parts.append(ops.expand_dims(vectors[spec.name], 1))
            if spec.kind == "history" and config.target_attention is not None:
                events = history_events(given, told, spec, shared[spec.of])
                attended = attend(**events, target=vectors[spec.of], config=config)
                parts.append(ops.expand_dims(attended, 1))
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1), vectors


def _join(
    specs: Sequence[FeatureSpec], num_indices: Mapping[str, int], config: ModelConfig
) -> JoinedCategories:
    return JoinedCategories(
        {each.name: num_indices[each.name] for each in specs},
        config.embedding_dim,
        l2_regularization=config.l2_regularization,
        name=f"{specs[0].name}_to_{specs[-1].name}_encoder",
    )
