"""The trainer reads its rows from the files that Transform has learned from."""

import dataclasses

import numpy as np
import pytest

from pipeline.training_rows import num_unknown_items, read_rows
from recsys_tf.features.tf_example import write_examples

pytestmark = pytest.mark.pipeline


def test_items_behind_the_unknown_one_are_counted(small_data, tmp_path):
    schema = small_data.schema
    features = tuple(
        each.model_copy(update={"min_count": 30}) if each.name == schema.item_id else each
        for each in schema.features
        if each.kind != "text"
    )
    tasks = tuple(each for each in schema.tasks if each.name != "genres_from_text")
    schema = schema.model_copy(update={"features": features, "tasks": tasks})
    rare = dataclasses.replace(small_data, schema=schema)
    ids = rare.train_examples.columns[schema.item_id].astype(str)
    wanted = int((np.unique(ids, return_counts=True)[1] < 30).sum())
    write_examples(rare.train_examples, rare.catalogue, schema, tmp_path, num_shards=2)
    patterns = [str(tmp_path / "examples-*")]
    rows = read_rows(patterns, schema, rare.preprocessor)
    assert wanted > 1
    assert num_unknown_items(patterns, schema, rows) == wanted
    known = {name: np.maximum(column, 2) for name, column in rows.features.items()}
    assert num_unknown_items(patterns, schema, dataclasses.replace(rows, features=known)) == 1
