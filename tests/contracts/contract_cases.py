"""The cases of the contracts: every block that a table of names or a package's `__all__` holds.

A new multi-task or multi-scenario block, fusion or history encoder needs no line here. A new kind
of feature, or a new layer, needs one case; a test says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from recsys_tf import layers, schema
from recsys_tf.config import ModelConfig, TextConfig
from recsys_tf.crosses import CROSSES, make_cross
from recsys_tf.crosses.cross_network import CrossNetwork
from recsys_tf.encoders import (
    ENCODERS,
    FUSIONS,
    HISTORY_BLOCKS,
    HISTORY_ENCODERS,
    ID_TABLES,
    POOLINGS,
    EventEncoder,
    HistoryEvents,
    IdEncoder,
    ItemContent,
    JoinedCategories,
    make_encoder,
)
from recsys_tf.heads import TaskHeads
from recsys_tf.multiscenario import SCENARIO_BLOCKS, make_scenario_block
from recsys_tf.multitask import MULTITASK_BLOCKS, make_multitask_block
from recsys_tf.multitask.extraction_level import ExtractionLevel
from recsys_tf.naming import known_arguments
from recsys_tf.sequences import HSTU, SEQUENCE_ENCODERS, LastState, SequenceEncoder
from recsys_tf.target_attention import DIN, TARGET_ATTENTIONS

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


def moments(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.integers(1_000_000_000, 1_001_000_000, rows)


LAYERS = {
    "AttentionPooling": Case(layers.AttentionPooling, join(floats(L, D), flags(L)), (D,)),
    "Bilinear": Case(layers.Bilinear, join(floats(D), floats(D)), (), is_full_precision=True),
    "CompositionalTable": Case(
        lambda: layers.CompositionalTable(NUM_INDICES, D), join(indices(L)), (L, D)
    ),
    "CrossLayer": Case(layers.CrossLayer, join(floats(D), floats(D)), (D,)),
    "DenseStack": Case(
        lambda: layers.DenseStack((8, 3), "tanh", dropout=0.2), join(floats(D)), (3,)
    ),
    "Dice": Case(layers.Dice, join(floats(L, D), flags(L)), (L, D)),
    "EmbeddingTable": Case(lambda: layers.EmbeddingTable(NUM_INDICES, D), join(indices(L)), (L, D)),
    "Experts": Case(lambda: layers.Experts(3, (8, 2), "gelu", 0.2), join(floats(D)), (3, 2)),
    "FactorizationMachine": Case(layers.FactorizationMachine, join(floats(3, D)), (D,)),
    "FieldAttention": Case(lambda: layers.FieldAttention(2, 5, 0.2), join(floats(3, D)), (3, 10)),
    "FieldGate": Case(layers.FieldGate, join(floats(3, D)), (3, D)),
    "FrequencyGate": Case(
        lambda: layers.FrequencyGate(NUM_INDICES, min_count=2), join(indices(L)), (L,)
    ),
    "GatedCrossLayer": Case(layers.GatedCrossLayer, join(floats(D), floats(D)), (D,)),
    "GroupBilinear": Case(lambda: layers.GroupBilinear(2), join(floats(D), floats(D)), (D,)),
    "HashedIds": Case(lambda: layers.HashedIds(7), join(indices(L)), (L, 2)),
    "HashedTable": Case(
        lambda: layers.HashedTable(NUM_INDICES, D, num_buckets=7), join(indices(L)), (L, D)
    ),
    "HistoryDropout": Case(
        lambda: layers.HistoryDropout(0.5, is_rate_varied=True, seed=1), join(indices(L)), (L,)
    ),
    "IdDropout": Case(lambda: layers.IdDropout(0.5, seed=1), join(indices()), ()),
    "MaskedMeanPooling": Case(layers.MaskedMeanPooling, join(floats(L, D), flags(L)), (D,)),
    "PairwiseDots": Case(layers.PairwiseDots, join(floats(3, D)), (3,)),
    "PartitionedNormalization": Case(
        lambda: layers.PartitionedNormalization(NUM_SCENARIOS), join(floats(D), scenarios), (D,)
    ),
    "SoftmaxGates": Case(lambda: layers.SoftmaxGates(2, 3), join(floats(D)), (2, 3)),
    "TransformerBlock": Case(
        lambda: layers.TransformerBlock(2, 3, "gelu", 0.2, 0.2),
        join(floats(L, D), floats(1, L, L)),
        (L, D),
    ),
}
VARIANTS = {
    "AttentionPooling with one query": Case(
        lambda: layers.AttentionPooling(None, length_power=0.5),
        join(floats(L, D), flags(L)),
        (D,),
    ),
    "Bilinear, diagonal": Case(
        lambda: layers.Bilinear("diagonal", initial_scale=2.0, use_bias=False),
        join(floats(D), floats(D)),
        (),
        is_full_precision=True,
    ),
    "Bilinear of low rank": Case(
        lambda: layers.Bilinear("low_rank", rank=2),
        join(floats(D), floats(5)),
        (),
        is_full_precision=True,
    ),
    "Bilinear of two widths": Case(
        layers.Bilinear, join(floats(D), floats(5)), (), is_full_precision=True
    ),
    "CrossLayer of low rank": Case(
        lambda: layers.CrossLayer(projection_dim=2), join(floats(D), floats(D)), (D,)
    ),
    "Experts with inputs of their own": Case(
        lambda: layers.Experts(3, (2,)), join(floats(3, D)), (3, 2)
    ),
    "FieldGate made of two fields": Case(
        lambda: layers.FieldGate([2, 0], hidden_dim=5), join(floats(3, D)), (3, D)
    ),
    "FinalMLP with gates of its own": Case(
        lambda: make_cross(
            "final_mlp", (D,), num_groups=2, first_gate_fields=[0], second_gate_fields=[1, 2]
        ),
        join(floats(3, 5)),
        (3 * D,),
    ),
    "Experts with inputs of groups": Case(
        lambda: layers.Experts(6, (2, 3), dropout=0.2), join(floats(3, D)), (6, 3)
    ),
    "ExtractionLevel": Case(
        lambda: ExtractionLevel(2, 3, 2, (5, D), 0.2, has_shared_output=True),
        join(floats(3, 5)),
        (3, D),
    ),
    "JoinedCategories": Case(
        lambda: JoinedCategories({"genre": NUM_INDICES, "city": NUM_INDICES + 3}, D),
        join(named(genre=indices(), city=indices())),
        (2, D),
    ),
    "DIN with a softmax": Case(
        lambda: DIN((5,), "prelu", is_normalized=True),
        join(floats(L, D), flags(L), floats(D)),
        (D,),
    ),
    "EventEncoder": Case(
        lambda: EventEncoder(NUM_INDICES, has_times=True),
        join(floats(L, D), flags(L), indices(L), times),
        (L, D),
    ),
    "EventEncoder with the times of questions": Case(
        lambda: EventEncoder(
            NUM_INDICES, has_times=True, has_request_times=True, request_dropout=0.2
        ),
        join(floats(L, D), flags(L), indices(L), times, moments),
        (L, D),
    ),
    "HSTU with times": Case(
        lambda: HSTU(L, num_heads=2, has_times=True),
        # Large beside what a block adds: of a sum with one score near 0, the score's rounded sign
        # is the sign of all that its norm gives.
        join(lambda rng, rows: 4 * floats(L, D)(rng, rows), flags(L), times),
        (L, D),
    ),
    "ItemContent": Case(lambda: ItemContent(NUM_INDICES, 3, D), join(indices(L)), (L, D)),
    "SoftmaxGates with inputs of their own": Case(
        lambda: layers.SoftmaxGates(2, 3), join(floats(2, D)), (2, 3)
    ),
    "TaskHeads": Case(
        lambda: TaskHeads(
            {"rating": None, "genre": 3}, (5,), 0.2, {"rating": 3.5, "genre": [0.1, 0.2, 0.3]}
        ),
        join(named(rating=floats(D), genre=floats(D))),
        {"rating": (), "genre": (3,)},
        is_full_precision=True,
    ),
    "item shared with its history": Case(
        lambda: ItemAndHistory(), join(indices(), indices(L), ratings), (2 * D,)
    ),
    "number with bins": Case(
        lambda: make_encoder(
            schema.NumericFeature(name="price", side="item", num_bins=4), {"price": 6}, CONFIG
        ),
        join(numbers_in_bins),
        (D,),
    ),
    "multivalent": Case(
        lambda: make_encoder(
            schema.CategoricalFeature(name="genres", side="item", is_multivalent=True),
            NUM_ROWS,
            CONFIG,
        ),
        join(indices(L)),
        (D,),
    ),
}
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


@keras.saving.register_keras_serializable(package="recsys_tf_tests")
class ItemAndHistory(keras.layers.Layer):
    """An item beside a history of items, over one table; a leading "_" names no graph's scope."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.item = IdEncoder(NUM_INDICES, D, name="item")
        self.history = make_encoder(
            FEATURES["history"][0], NUM_ROWS, CONFIG, shared={"item_id": self.item}
        )

    def build(self, item_shape, history_shape, values_shape):
        self.item.build(item_shape)
        self.history.build(history_shape, values_shape)

    def call(self, item, history, values, training=False):
        encoded = self.history(history, values, training=training)
        return keras.ops.concatenate([self.item(item, training=training), encoded], axis=1)

    def compute_output_shape(self, item_shape, history_shape, values_shape):
        return (item_shape[0], 2 * D)


def sequence_encoder(name: str) -> SequenceEncoder:
    """The encoder of a name, of one layer, its tables as long as the cases' rows."""
    block = SEQUENCE_ENCODERS[name]
    return block(**known_arguments(block, {"max_length": L, "num_layers": 1}))


def _cross(name: str, num_fields: int, **options: Any) -> Case:
    make = lambda: make_cross(name, (8, D), 0.2, **options)  # noqa: E731
    width = make().compute_output_shape((None, num_fields, 5))[1]
    return Case(make, join(floats(num_fields, 5)), (width,))


def make_cases() -> dict[str, Case]:
    """Returns every case by its name."""
    cases = {**LAYERS, **VARIANTS}
    for name in MULTITASK_BLOCKS:
        for tasks in (["click"], ["click", "buy", "rating"]):
            cases[f"multitask {name} of {len(tasks)}"] = Case(
                lambda name=name, tasks=tasks: make_multitask_block(
                    tasks, ModelConfig(**SIZES, multitask=name)
                ),
                # Both numbers of tasks, and one more, divide it: some blocks split it among them.
                join(floats(12)),
                dict.fromkeys(tasks, (D,)),
            )
    for name, block in CROSSES.items():
        for num_fields in (3, 1):
            cases[f"cross {name} of {num_fields}"] = _cross(name, num_fields)
        if issubclass(block, CrossNetwork):
            cases[f"cross {name} in parallel"] = _cross(name, 3, structure="parallel")
    for name in SCENARIO_BLOCKS:
        for num_layers in (1, 2):
            cases[f"scenario {name} of {num_layers}"] = Case(
                lambda name=name, num_layers=num_layers: make_scenario_block(
                    name, NUM_SCENARIOS, D, dropout=0.2, num_layers=num_layers, num_experts=3
                ),
                join(floats(5), scenarios),
                (D,),
            )
    for name, block in SCENARIO_BLOCKS.items():
        towers = block.task_towers
        for tasks in (("click",), ("buy", "click")) if towers is not None else ():
            prior = (floats(2),) if towers.reads_prior else ()
            cases[f"scenario {name} by task, of {len(tasks)}"] = Case(
                lambda towers=towers, tasks=tasks: towers(tasks, NUM_SCENARIOS, (D, D), 0.2),
                join(named(**dict.fromkeys(tasks, floats(D))), floats(5), scenarios, *prior),
                dict.fromkeys(tasks, (D,)),
            )
    for name, make in FUSIONS.items():
        width = {"concat": 3 * D}.get(name, D)
        features = join(named(user=floats(D), item=floats(D), hour=floats(D)))
        cases[f"fusion {name}"] = Case(make, features, (width,))
    for name, make in POOLINGS.items():
        cases[f"pooling {name}"] = Case(make, join(floats(L, D), flags(L)), (D,))
    for name in SEQUENCE_ENCODERS:
        cases[f"sequence {name}"] = Case(
            lambda name=name: sequence_encoder(name), join(floats(L, D), flags(L)), (L, D)
        )
    for name, make in TARGET_ATTENTIONS.items():
        cases[f"target attention {name}"] = Case(
            make, join(floats(L, D), flags(L), floats(D)), (D,)
        )
    cases["last state"] = Case(
        lambda: LastState(sequence_encoder("gru4rec")), join(floats(L, D), flags(L)), (D,)
    )
    rated, inputs = FEATURES["history"]
    unrated = rated.model_copy(update={"values_name": None})
    for name in HISTORY_ENCODERS:
        # One layer is enough here, and several times faster to save and load.
        options = known_arguments(HISTORY_BLOCKS[name], {"num_layers": 1})
        config = CONFIG.model_copy(
            update={"history_encoder": name, "history_encoder_options": options}
        )
        cases[f"history {name}"] = Case(
            lambda config=config: make_encoder(rated, NUM_ROWS, config), inputs, (D,)
        )
        cases[f"history {name} without values"] = Case(
            lambda config=config: make_encoder(unrated, NUM_ROWS, config),
            join(indices(L)),
            (D,),
        )
    for name in ID_TABLES:
        # The item's own table, behind a gate, is the history's and that of a set of values too.
        config = CONFIG.model_copy(
            update={
                "id_tables": dict.fromkeys(NUM_ROWS, name),
                "frequency_gates": dict.fromkeys(NUM_ROWS, 2),
            }
        )
        tags = schema.CategoricalFeature(name="genres", side="item", is_multivalent=True)
        for spec, inputs in (FEATURES["id"], FEATURES["history"], (tags, join(indices(L)))):
            cases[f"{spec.kind} by the table {name}"] = Case(
                lambda spec=spec, config=config: make_encoder(spec, NUM_ROWS, config), inputs, (D,)
            )
    cases["history events"] = Case(
        lambda: HistoryEvents(IdEncoder(NUM_INDICES, D)), join(indices(L)), (L, D)
    )
    for kind in ENCODERS:
        if kind in FEATURES:
            spec, inputs = FEATURES[kind]
            make = lambda spec=spec: make_encoder(spec, NUM_ROWS, CONFIG)  # noqa: E731
            cases[f"encoder {kind}"] = Case(make, inputs, (D,))
    return cases


CASES = make_cases()
