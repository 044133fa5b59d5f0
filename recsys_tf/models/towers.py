"""The query and the candidate tower, each a functional Keras model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from recsys_tf.config import ModelConfig, RetrievalConfig
from recsys_tf.encoders import make_encoder, make_fusion
from recsys_tf.layers import DenseStack, EmbeddingTable
from recsys_tf.layers.precision import full_precision
from recsys_tf.models.bilinear_logits import check_bilinear, is_bilinear_alone
from recsys_tf.models.history_items import check_history_features, described_items
from recsys_tf.models.id_table_features import check_id_tables
from recsys_tf.models.item_bias import ItemBias
from recsys_tf.models.judgement import reads_parts
from recsys_tf.models.once_per_row import OncePerRow
from recsys_tf.models.scenario_reading import (
    check_scenario_dropout,
    check_scenario_prior,
    drop_scenarios,
    join_prior,
)
from recsys_tf.models.target_reading import (
    check_target_attention,
    drop_events,
    encoder_config,
    history_events,
)
from recsys_tf.schema import Schema
from recsys_tf.types import FloatArray

InputShape = tuple[str, tuple[int, ...], str]
"""Name, shape without the batch, and dtype of a tensor."""


@dataclass(frozen=True)
class Tower:
    """A tower with its symbolic inputs and outputs.

    Attributes:
        model: Features by name -> `{"embedding": [B, D + 1], "features": [B, H]}`, the first
            float32 in mixed precision too, the second the features' own vectors alone, side by
            side, where the multi-task block reads parts of them,
            `label_biases` float `[B, T]` where there are ranking tasks of one number, `matched`
            float `[B, D]` where the bilinear model reads a feature of this side, `scenario` int
            `[B]` where a scenario block reads it, `prior` float `[B, P]` where it reads features of
            this side besides, `vector_<feature>` for each feature that an
            auxiliary task reads, and for a target attention the query's `events`, float
            `[B, L, D]`, with `is_event`, bool `[B, L]`, and the candidate's `target`, float
            `[B, D]`.
        inputs: Keras inputs by feature name, for a model around the tower.
        outputs: Keras tensors by the name of the output, which tell shapes and types.
    """

    model: keras.Model
    inputs: dict[str, Any]
    outputs: dict[str, Any]


def build_towers(
    schema: Schema,
    num_indices: Mapping[str, int],
    config: ModelConfig,
    retrieval: RetrievalConfig,
    text_backbones: Mapping[str, keras.Model],
    history_content: FloatArray | None = None,
) -> tuple[Tower, Tower]:
    """Builds the query and the candidate tower; the history shares the item's table.

    The dot product of the embeddings is `q . c + b_c`: the query's last unit is 1, the
    candidate's is its bias.

    Args:
        schema: Features and tasks.
        num_indices: Rows of each feature's embedding table.
        config: Sizes and blocks.
        retrieval: Whether the vectors are scaled to length 1.
        text_backbones: By the name of a text, its transformer, where it is there already.
        history_content: float `[N + 2, F]`, what the history reads of its items besides their ids,
            by their indices; None for nothing.

    Returns:
        The query tower and the candidate tower.

    Raises:
        ValueError: If the bilinear model names a feature that is not on its side, the target
            attention or `history_features` have no history, no task has a use for either, or a
            table of ids is of a feature without ids.
    """
    check_bilinear(
        config,
        [spec.name for spec in schema.query_features],
        [spec.name for spec in schema.candidate_features],
        schema,
    )
    check_target_attention(schema, config)
    check_id_tables(schema, config, retrieval)
    check_scenario_dropout(schema, config)
    check_scenario_prior(schema, config)
    check_history_features(schema, config, history_content)
    shared: dict[str, keras.layers.Layer] = {**text_backbones}
    encoders = {}
    # The item's own encoder first, since the history borrows it.
    for spec in sorted(schema.features, key=lambda spec: spec.kind == "history"):
        if spec.kind == "history":
            shared[spec.of] = described_items(spec, shared[spec.of], config, history_content)
        encoders[spec.name] = make_encoder(spec, num_indices, encoder_config(config), shared=shared)
        shared[spec.name] = encoders[spec.name]
        if spec.kind == "text":
            encoders[spec.name] = OncePerRow(encoders[spec.name], name=f"{spec.name}_once")
    items = shared[schema.item_id]
    builder = _TowerBuilder(schema, num_indices, encoders, items, config, retrieval)
    history = schema.history
    query = builder.build("query", schema.query_features, history.name if history else None)
    bias = ItemBias(num_indices[schema.item_id], name="item_bias")
    candidate = builder.build("candidate", schema.candidate_features, schema.item_id, bias)
    return query, candidate


@dataclass(frozen=True)
class _TowerBuilder:
    schema: Schema
    num_indices: Mapping[str, int]
    encoders: Mapping[str, keras.layers.Layer]
    history_items: keras.layers.Layer
    config: ModelConfig
    retrieval: RetrievalConfig

    def build(
        self, side: str, specs: Iterable[Any], anchor: str | None, item_bias: ItemBias | None = None
    ) -> Tower:
        """Builds a tower whose output starts from the vector of the feature `anchor`."""
        config = self.config
        inputs, vectors, of_trunk = self._encode(specs)
        fused = make_fusion(config, name=f"{side}_fusion")(vectors)
        dropout = keras.layers.Dropout(config.tower_dropout, name=f"{side}_dropout")
        features, hidden = fused, dropout(fused)
        if config.tower_dims:
            hidden = DenseStack(
                config.tower_dims, "gelu", dropout=config.tower_dropout, name=f"{side}_layers"
            )(hidden)
            features = ops.concatenate([fused, hidden], axis=-1)
        vector = keras.layers.Dense(config.output_dim, name=f"{side}_output")(hidden)
        if anchor is not None and config.embedding_dim == config.output_dim:
            # The straight way from item to item: what a history says needs no layer in between.
            # Not `+`: of a batch without rows, Keras's would take the second for a bias, and fail.
            vector = vector - (-vectors[anchor])
        if self.retrieval.is_normalized:
            vector = keras.layers.UnitNormalization(name=f"{side}_norm")(vector)
        precise = full_precision()
        if vector.dtype != precise.compute_dtype:
            # The dot product is a logit, and the last unit is added to it.
            vector = ops.cast(vector, precise.compute_dtype)
        if item_bias is None:
            last = ops.ones_like(vector[:, :1])
        else:
            last = item_bias(inputs[self.schema.item_id], features)
        if reads_parts(config):
            # Retrieval may mix the parts of a vector; a block that reads parts gets them apart.
            features = ops.concatenate([vectors[name] for name in sorted(vectors)], axis=-1)
        outputs = {"embedding": ops.concatenate([vector, last], axis=-1), "features": features}
        outputs |= of_trunk
        own = self.schema.user_id if item_bias is None else self.schema.item_id
        num_biased = len(self.schema.single_tasks)
        if num_biased and own in inputs and not is_bilinear_alone(config):
            outputs["label_biases"] = EmbeddingTable(
                self.num_indices[own],
                num_biased,
                embeddings_initializer="zeros",
                dtype=precise,
                name="label_bias",
            )(inputs[own])
        if config.target_attention is not None and item_bias is not None:
            outputs["target"] = vectors[self.schema.item_id]
        if config.bilinear is not None:
            outputs["matched"] = vectors[getattr(config.bilinear, f"{side}_feature")]
        prior = join_prior(vectors, config)
        if prior is not None:
            outputs["prior"] = prior
        for task in self.schema.auxiliary_tasks:
            read = [name for name in task.from_features or () if name in vectors]
            outputs |= {vector_name(name): vectors[name] for name in read}
        model = keras.Model(inputs, outputs, name=f"{side}_tower")
        return Tower(model, inputs, outputs)

    def _encode(
        self, specs: Iterable[Any]
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Returns inputs and vectors by name, and what the trunk reads of inputs besides."""
        inputs: dict[str, Any] = {}
        vectors: dict[str, Any] = {}
        of_trunk: dict[str, Any] = {}
        scenario = self.schema.scenario
        for spec in specs:
            for name, shape, dtype in input_shapes(spec):
                inputs[name] = keras.Input(shape, dtype=dtype, name=name)
            given = drop_events(inputs[spec.name], spec, self.config)
            given = drop_scenarios(given, spec, self.schema, self.config)
            told = aligned_inputs(spec, inputs)
            vectors[spec.name] = self.encoders[spec.name](given, **told)
            if spec.kind == "history" and self.config.target_attention is not None:
                of_trunk |= history_events(given, told, spec, self.history_items)
            is_scenario = scenario is not None and spec.name == scenario.feature
            if is_scenario and self.config.multiscenario is not None:
                of_trunk["scenario"] = ops.cast(given, "int32")
        return inputs, vectors, of_trunk


def vector_name(feature: str) -> str:
    """Names the output of a tower that holds one feature's own vector."""
    return f"vector_{feature}"


def aligned_inputs(spec: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Picks the inputs that tell more of a history's events, by what they tell."""
    aligned = spec.aligned if spec.kind == "history" else {}
    return {told: inputs[name] for told, name in aligned.items()}


def input_shapes(spec: Any) -> list[InputShape]:
    """Tells the name, shape (without the batch) and dtype of a feature's transformed tensors."""
    if spec.kind == "history":
        dtypes = {spec.name: "int64"}
        for told, name in spec.aligned.items():
            dtypes[name] = "float32" if told == "values" else "int64"
        return [(name, (spec.max_length,), dtype) for name, dtype in dtypes.items()]
    if spec.kind == "numeric":
        # The scaled value, whether there is one, and with bins where it lies in which.
        return [(spec.name, (spec.width,), "float32")]
    if spec.kind == "embedding":
        return [(spec.name, (spec.size,), "float32")]
    if spec.kind == "text":
        return [(spec.name, (spec.max_tokens,), "int64")]
    if spec.kind == "categorical" and spec.is_multivalent:
        return [(spec.name, (spec.max_values,), "int64")]
    return [(spec.name, (), "int64")]
