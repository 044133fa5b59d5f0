import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from recsys_tf.datasets import Interactions, LabelledTable, interactions_digest, table_digest
from recsys_tf.schema import (
    CategoricalFeature,
    EmbeddingFeature,
    IdFeature,
    NumericFeature,
    Schema,
    TableSchema,
    TaskSpec,
)

SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        IdFeature(name="item_id", side="item"),
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="genres", side="item", is_multivalent=True),
        EmbeddingFeature(name="image", side="item", size=2000),
    ),
    tasks=(
        TaskSpec(name="watch", kind="retrieval"),
        TaskSpec(name="rating", kind="regression", label="rating"),
    ),
)


def made(**frames):
    events = {
        "user_id": ["a", "b", "a"],
        "item_id": ["x", "x", "y"],
        "timestamp": [1, 2, 3],
        "rating": [5.0, np.nan, 3.0],
    }
    users = {"user_id": ["a", "b"], "age": [31.0, np.nan]}
    items = {
        "item_id": ["x", "y"],
        "title": ["X", ""],
        "genres": [["Comedy", "Drama"], []],
        "image": [np.zeros(2000, np.float32), None],
    }
    schema = frames.pop("schema", SCHEMA)
    columns = {"events": events, "users": users, "items": items}
    return Interactions(
        schema, **{name: pd.DataFrame(columns[name] | frames.get(name, {})) for name in columns}
    )


def digest(**frames):
    return interactions_digest(made(**frames))


def test_equal_data_have_one_digest_of_sha_256():
    assert digest() == digest()
    assert re.fullmatch("[0-9a-f]{64}", digest())


@pytest.mark.parametrize(
    ("frame", "column", "values"),
    [
        ("events", "rating", [5.0, np.nan, 4.0]),
        ("events", "rating", [5, 4, 3]),
        ("events", "timestamp", [1, 2, 4]),
        ("events", "user_id", ["a", "b", "b"]),
        ("events", "not_in_the_schema", [0, 0, 0]),
        ("users", "age", [31.0, 0.0]),
        ("items", "title", ["X", "Y"]),
        ("items", "genres", [["Comedy"], ["Drama"]]),
        ("items", "genres", [["Drama", "Comedy"], []]),
        ("items", "genres", [["Comedy, Drama"], []]),
        ("items", "image", [np.eye(1, 2000, 1000, np.float32)[0], None]),
        ("items", "image", [np.zeros(2000, np.float32)] * 2),
    ],
)
def test_another_value_gives_another_digest(frame, column, values):
    assert digest(**{frame: {column: values}}) != digest()


def test_missing_values_are_told_apart_from_texts():
    missing = ["", "nan", "None", None, np.nan, pd.NA]
    digests = {digest(items={"title": pd.Series(["X", each], dtype=object)}) for each in missing}
    assert len(digests) == len(missing)


def test_another_meaning_of_the_same_values_gives_another_digest():
    hot = TaskSpec(name="rating", kind="regression", label="rating", value_range=(1, 5))
    other = SCHEMA.model_copy(update={"tasks": (SCHEMA.tasks[0], hot)})
    assert digest(schema=other) != digest()
    for change in ({"title_column": "item_id"}, {"is_time_comparable": False}):
        assert interactions_digest(dataclasses.replace(made(), **change)) != digest()


def test_order_of_rows_counts_and_that_of_columns_does_not():
    data = made()
    reversed_rows = dataclasses.replace(data, events=data.events[::-1].reset_index(drop=True))
    assert interactions_digest(reversed_rows) != digest()
    other_columns = dataclasses.replace(data, events=data.events[data.events.columns[::-1]])
    other_index = dataclasses.replace(data, users=data.users.set_index(pd.Index([7, 3])))
    assert interactions_digest(other_columns) == interactions_digest(other_index) == digest()


@pytest.mark.parametrize("row", [4095, 4096, 9999])
def test_every_row_of_a_long_column_counts(row):
    ids = np.array(["a", "b", *(f"u{number}" for number in range(9_998))], dtype=object)
    cities, ages = np.full(10_000, "", dtype=object), np.zeros(10_000)
    digests = {digest(users={"user_id": ids, "age": ages, "city": cities})}
    cities[row] = "Oslo"
    digests.add(digest(users={"user_id": ids, "age": ages, "city": cities}))
    ages[row] = 1
    digests.add(digest(users={"user_id": ids, "age": ages, "city": cities}))
    assert len(digests) == 3


def table(schema_update=None, published=None, **columns):
    schema = TableSchema(
        features=(NumericFeature(name="age", side="user"),),
        tasks=(TaskSpec(name="buys", kind="binary", label="buys"),),
    )
    schema = schema.model_copy(update=schema_update or {})
    rows = pd.DataFrame({"age": [1.0, 2.0], "buys": [0.0, 1.0], **columns})
    return LabelledTable(schema, rows, published)


def test_table_has_a_digest_of_its_values_its_schema_and_its_test_rows():
    task = TaskSpec(name="sells", kind="binary", label="buys")
    digests = [
        table_digest(each)
        for each in (
            table(),
            table(age=[1.0, 3.0]),
            table({"tasks": (task,)}),
            table(published=np.array([1])),
        )
    ]
    assert len(set(digests)) == 4
    assert table_digest(table()) == digests[0]
