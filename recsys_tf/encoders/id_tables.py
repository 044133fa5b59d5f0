"""What stands for a table of a row an id where there are too many ids, by name."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.config import ModelConfig
from recsys_tf.layers import CompositionalTable, HashedTable
from recsys_tf.naming import look_up

ID_TABLES: dict[str, type[keras.layers.Layer]] = {
    "compositional": CompositionalTable,
    "hashed": HashedTable,
}
"""By name, layers `int [...] -> float [..., D]` of `(num_indices, embedding_dim, **options)`."""


def id_arguments(feature: str, num_indices: int, model: ModelConfig) -> dict[str, Any]:
    """Returns what a configuration says of a feature's ids, as arguments of their encoder.

    Args:
        feature: Name of the id or the category.
        num_indices: Its known values and the two reserved indices.
        model: Gives the width, the table and the gate.

    Returns:
        Arguments of `IdEncoder` and `CategoricalEncoder`.

    Raises:
        ValueError: If `model.id_tables` names an unknown table, or it refuses an option.
    """
    embedding = None
    if feature in model.id_tables:
        block = look_up(ID_TABLES, model.id_tables[feature], f"id_tables.{feature}")
        options: dict[str, Any] = {**model.id_table_options.get(feature, {})}
        embedding = block(num_indices, model.embedding_dim, **options, name="embedding")
    return {
        "num_indices": num_indices,
        "embedding_dim": model.embedding_dim,
        "l2_regularization": model.l2_regularization,
        "embedding": embedding,
        "min_count": model.frequency_gates.get(feature),
    }
