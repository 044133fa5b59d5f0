"""The trainer reads its rows from the files that Transform has learned from."""

import dataclasses

import numpy as np
import pytest

from pipeline.training_rows import num_unknown_items, read_rows
from recsys_tf.features.tf_example import write_examples

pytestmark = pytest.mark.pipeline


def test_items_behind_the_unknown_one_are_counted(rare_items_data, tmp_path):
    data, rare = rare_items_data
    write_examples(data.train_examples, data.catalogue, data.schema, tmp_path, num_shards=2)
    patterns = [str(tmp_path / "examples-*")]
    rows = read_rows(patterns, data.schema, data.preprocessor)
    assert num_unknown_items(patterns, data.schema, rows) == len(rare)
    known = {name: np.maximum(column, 2) for name, column in rows.features.items()}
    assert num_unknown_items(patterns, data.schema, dataclasses.replace(rows, features=known)) == 1
