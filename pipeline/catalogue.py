"""The catalogue of items as a file of `tf.Example`s, beside the training rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from recsys_tf.features import Examples, ListColumn
from recsys_tf.features.tf_example import raw_feature_spec, read_examples, write_examples
from recsys_tf.schema import Schema


def write_catalogue(catalogue: Examples, schema: Schema, folder: Path) -> None:
    """Writes the items, one example each, with the item features alone.

    Args:
        catalogue: What `catalogue_examples` returned.
        schema: Features.
        folder: Where the file goes.
    """
    ids = Examples({schema.item_id: catalogue.columns[schema.item_id]})
    write_examples(ids, catalogue, schema, folder, is_target_masked=False)


def read_catalogue(folder: Path, schema: Schema) -> Examples:
    """Reads what `write_catalogue` wrote.

    Args:
        folder: The folder of the file.
        schema: Features.

    Returns:
        One row an item, in the order in which they were written.

    Raises:
        ValueError: If the file is not whole.
    """
    names = [feature.name for feature in schema.candidate_features]
    spec = {name: raw_feature_spec(schema)[name] for name in names}
    serialized = list(read_examples(folder).as_numpy_iterator())
    parsed = tf.io.parse_example(tf.constant(serialized, tf.string, [len(serialized)]), spec)
    columns, lists = {}, {}
    for name in names:
        value = parsed[name]
        if isinstance(value, tf.RaggedTensor):
            splits = value.row_splits.numpy()
            lists[name] = ListColumn(_strings(value.values.numpy()), splits[:-1], splits[1:])
        else:
            column = value.numpy()
            columns[name] = _strings(column) if column.dtype == object else column
    return Examples(columns, lists)


def _strings(values: np.ndarray) -> np.ndarray:
    result = np.empty(len(values), object)
    result[:] = [value.decode("utf-8") for value in values]
    return result
