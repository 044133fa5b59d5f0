"""The curated schema of the raw examples: what TensorFlow Data Validation holds them to."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from recsys_tf.features import label_columns
from recsys_tf.schema import Schema

_ALIGNED = {"values": schema_pb2.FLOAT, "actions": schema_pb2.BYTES, "times": schema_pb2.INT}


def curated_schema(schema: Schema) -> schema_pb2.Schema:
    """Writes down what each raw column must be.

    The type of every column; that user, item and time are given in every row; that numbers are
    neither NaN nor infinite (a missing one is left out of its example) and labels in their range.
    A schema that is inferred from data would allow all of this.

    Args:
        schema: Features and tasks.

    Returns:
        The schema for SchemaGen's successors.
    """
    result = schema_pb2.Schema()
    for feature in schema.features:
        _add_feature(result, feature, is_required=feature.name in (schema.user_id, schema.item_id))
    named = {each.name for each in schema.features}
    for name in label_columns(schema):
        if name not in named:
            _add_number(result, name)
    for task in schema.tasks:
        _limit(result, task)
    timestamp = result.feature.add(name=schema.timestamp, type=schema_pb2.INT)
    _require(timestamp)
    return result


def schema_text(schema: Schema) -> str:
    """Returns the curated schema as protobuf text, for `ImportSchemaGen`."""
    return text_format.MessageToString(curated_schema(schema))


def _add_feature(result: Any, feature: Any, is_required: bool) -> None:
    if feature.kind == "numeric":
        _add_number(result, feature.name)
        return
    column = result.feature.add(name=feature.name, type=schema_pb2.BYTES)
    if is_required:
        _require(column)
    elif feature.kind == "embedding":
        column.type = schema_pb2.FLOAT
        column.value_count.min = column.value_count.max = feature.size
    elif feature.kind == "history" or getattr(feature, "is_multivalent", False):
        column.value_count.min = 0
    else:
        column.value_count.min, column.value_count.max = 1, 1
    if feature.kind == "history":
        for told, name in feature.aligned.items():
            result.feature.add(name=name, type=_ALIGNED[told]).value_count.min = 0


def _add_number(result: Any, name: str) -> None:
    column = result.feature.add(name=name, type=schema_pb2.FLOAT)
    column.value_count.min, column.value_count.max = 1, 1
    column.float_domain.disallow_nan = True
    column.float_domain.disallow_inf = True


def _require(column: Any) -> None:
    column.presence.min_fraction, column.presence.min_count = 1.0, 1
    column.shape.SetInParent()  # Exactly one value.


def _limit(result: Any, task: Any) -> None:
    columns = {column.name: column for column in result.feature}
    if task.kind == "binary" and task.positive_at_least is None:
        columns[task.label].float_domain.min, columns[task.label].float_domain.max = 0.0, 1.0
    if task.kind == "regression" and task.value_range is not None:
        domain = columns[task.label].float_domain
        domain.min, domain.max = task.value_range
    if task.sample_weight is not None:
        columns[task.sample_weight].float_domain.min = 0.0
