"""The cases of single layers, and of blocks in forms that no table of names holds."""

from __future__ import annotations

import keras
from contract_inputs import (
    CONFIG,
    FEATURES,
    NUM_INDICES,
    NUM_ROWS,
    NUM_SCENARIOS,
    Case,
    D,
    L,
    flags,
    floats,
    indices,
    join,
    moments,
    named,
    numbers_in_bins,
    ratings,
    scenarios,
    times,
)

from recsys_tf import layers, schema
from recsys_tf.crosses import make_cross
from recsys_tf.encoders import EventEncoder, IdEncoder, ItemContent, JoinedCategories, make_encoder
from recsys_tf.heads import TaskHeads
from recsys_tf.multitask.extraction_level import ExtractionLevel
from recsys_tf.sequences import HSTU
from recsys_tf.target_attention import DIN


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
