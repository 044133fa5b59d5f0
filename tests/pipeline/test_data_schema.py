"""The curated schema says what `write_examples` writes, and the gate names what differs."""

from __future__ import annotations

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from pipeline.components.validation_gate import anomalies_of, empty_split
from pipeline.data_schema import curated_schema
from recsys_tf.schema import (
    CategoricalFeature,
    EmbeddingFeature,
    HistoryFeature,
    IdFeature,
    NumericFeature,
    Schema,
    TaskSpec,
)

SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        HistoryFeature(
            name="history",
            side="user",
            of="item_id",
            values_name="ratings",
            times_name="moments",
            actions_name="kinds",
            actions=("buy",),
            action_column="kind",
        ),
        IdFeature(name="item_id", side="item"),
        CategoricalFeature(name="genres", side="item", is_multivalent=True),
        NumericFeature(name="price", side="item"),
        EmbeddingFeature(name="vector", side="item", size=3),
    ),
    tasks=(
        TaskSpec(name="watch", kind="retrieval"),
        TaskSpec(name="rating", kind="regression", label="stars", value_range=(1, 5)),
        TaskSpec(name="click", kind="binary", label="clicked", sample_weight="importance"),
        TaskSpec(
            name="dear",
            kind="binary",
            label="price",
            positive_at_least=10,
            from_features=("vector",),
        ),
    ),
)


@pytest.fixture
def columns():
    return {column.name: column for column in curated_schema(SCHEMA).feature}


def test_every_raw_column_is_there_once(columns):
    assert len(columns) == len(curated_schema(SCHEMA).feature)
    assert set(columns) == {
        "user_id", "history", "ratings", "kinds", "moments", "item_id", "genres", "price",
        "vector", "stars", "clicked", "importance", "timestamp",
    }  # fmt: skip


def test_types(columns):
    kinds = {name: schema_pb2.FeatureType.Name(column.type) for name, column in columns.items()}
    assert kinds["user_id"] == kinds["history"] == kinds["genres"] == kinds["kinds"] == "BYTES"
    assert kinds["moments"] == "INT"
    assert kinds["ratings"] == kinds["price"] == kinds["vector"] == kinds["stars"] == "FLOAT"
    assert kinds["timestamp"] == "INT"


def test_ids_and_the_time_are_required_and_nothing_else(columns):
    required = {name for name, column in columns.items() if column.presence.min_fraction == 1}
    assert required == {"user_id", "item_id", "timestamp"}


def test_numbers_may_be_missing_but_not_nan_or_infinite(columns):
    for name in ("price", "stars", "clicked", "importance"):
        assert columns[name].float_domain.disallow_nan
        assert columns[name].float_domain.disallow_inf


def test_labels_have_their_range(columns):
    assert (columns["stars"].float_domain.min, columns["stars"].float_domain.max) == (1, 5)
    assert (columns["clicked"].float_domain.min, columns["clicked"].float_domain.max) == (0, 1)
    assert columns["importance"].float_domain.min == 0
    assert not columns["price"].float_domain.HasField("max")


def test_an_embedding_has_its_size(columns):
    assert (columns["vector"].value_count.min, columns["vector"].value_count.max) == (3, 3)


def test_the_gate_names_split_column_and_reason():
    anomalies = anomalies_pb2.Anomalies()
    reason = anomalies.anomaly_info["stars"].reason.add()
    reason.short_description, reason.description = "Invalid values", "Float feature has NaN. "
    assert anomalies_of("train", anomalies) == [
        "train: column `stars`: Invalid values (Float feature has NaN)"
    ]


def test_the_gate_lets_sound_data_pass():
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    statistics.datasets.add(num_examples=3)
    assert anomalies_of("train", anomalies_pb2.Anomalies()) == []
    assert empty_split("train", statistics) == []


def test_the_gate_stops_at_an_empty_split():
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    statistics.datasets.add(num_examples=0)
    assert empty_split("test", statistics) == ["the split 'test' is empty"]
