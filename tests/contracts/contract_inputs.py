"""What goes into the blocks of the contracts: sizes, the case of one block, makers of inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from recsys_tf import schema
from recsys_tf.config import ModelConfig, TextConfig

D, L, NUM_INDICES, NUM_SCENARIOS = 4, 6, 20, 6
SIZES = {"embedding_dim": D, "num_experts": 3, "expert_dim": D, "dropout": 0.2}
CONFIG = ModelConfig(
    **SIZES, text=TextConfig(num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8)
)
NUM_ROWS = {"id": NUM_INDICES, "genres": NUM_INDICES, "item_id": NUM_INDICES, "text": 64}


@dataclass(frozen=True)
class Case:
    """One block: how to make it, what goes in for a number of rows, and the shape of a row.

    One of full precision gives float32 in mixed precision too: a logit, or what is added to one.
    """

    make: Callable[[], keras.layers.Layer]
    inputs: Callable[[np.random.Generator, int], tuple[Any, ...]]
    row_shape: Any
    is_full_precision: bool = False


def floats(*shape: int) -> Callable[..., np.ndarray]:
    return lambda rng, rows: rng.normal(size=(rows, *shape)).astype("float32")


def indices(*shape: int) -> Callable[..., np.ndarray]:
    return lambda rng, rows: rng.integers(0, NUM_INDICES, (rows, *shape))


def flags(*shape: int) -> Callable[..., np.ndarray]:
    return lambda rng, rows: rng.random((rows, *shape)) < 0.7


def join(*makers: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    return lambda rng, rows: tuple(make(rng, rows) for make in makers)


def named(**makers: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    return lambda rng, rows: {name: make(rng, rows) for name, make in makers.items()}


def numbers(rng: np.random.Generator, rows: int) -> np.ndarray:
    is_given = rng.random(rows) < 0.7
    return np.stack([rng.normal(size=rows) * is_given, is_given], axis=1).astype("float32")


def numbers_in_bins(rng: np.random.Generator, rows: int) -> np.ndarray:
    plain = numbers(rng, rows)
    bins = rng.integers(1, 6, (rows, 1)) * plain[:, 1:]
    return np.concatenate([plain, bins], axis=1).astype("float32")


def scenarios(rng: np.random.Generator, rows: int) -> np.ndarray:
    # Outside the table too: such an index counts as unknown.
    return rng.integers(-2, NUM_SCENARIOS + 2, rows)


def ratings(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.integers(0, 6, (rows, L)).astype("float32")


def times(rng: np.random.Generator, rows: int) -> np.ndarray:
    return np.cumsum(rng.integers(0, 100_000, (rows, L)), axis=1) + 1_000_000_000


def kinds(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.integers(0, 4, (rows, L))


def moments(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.integers(1_000_000_000, 1_001_000_000, rows)


TOLD = schema.HistoryFeature(
    name="h",
    side="user",
    of="item_id",
    times_name="t",
    actions_name="a",
    actions=("buy", "view"),
    action_column="a",
)
"""A history with all that may be told of its events but values."""

FEATURES = {
    "categorical": (schema.CategoricalFeature(name="genres", side="item"), join(indices())),
    "embedding": (schema.EmbeddingFeature(name="e", side="item", size=5), join(floats(5))),
    "history": (
        schema.HistoryFeature(name="h", side="user", of="item_id", values_name="r"),
        join(indices(L), ratings),
    ),
    "id": (schema.IdFeature(name="id", side="user"), join(indices())),
    "numeric": (schema.NumericFeature(name="age", side="user"), join(numbers)),
    "text": (schema.TextFeature(name="text", side="item", max_tokens=L), join(indices(L))),
}
