"""Blocks of tensors only: they know no feature, no task and no configuration."""

from recsys_tf.layers.attention_pooling import AttentionPooling
from recsys_tf.layers.bilinear import Bilinear
from recsys_tf.layers.compositional_table import CompositionalTable
from recsys_tf.layers.cross import CrossLayer
from recsys_tf.layers.dense_stack import DenseStack
from recsys_tf.layers.dice import Dice
from recsys_tf.layers.embedding_table import EmbeddingTable
from recsys_tf.layers.experts import Experts
from recsys_tf.layers.factorization_machine import FactorizationMachine
from recsys_tf.layers.field_attention import FieldAttention
from recsys_tf.layers.field_gate import FieldGate
from recsys_tf.layers.frequency_gate import FrequencyGate
from recsys_tf.layers.gated_cross import GatedCrossLayer
from recsys_tf.layers.gates import SoftmaxGates
from recsys_tf.layers.group_bilinear import GroupBilinear
from recsys_tf.layers.hashed_ids import HashedIds
from recsys_tf.layers.hashed_table import HashedTable
from recsys_tf.layers.history_dropout import HistoryDropout
from recsys_tf.layers.id_dropout import IdDropout
from recsys_tf.layers.masked_mean_pooling import MaskedMeanPooling
from recsys_tf.layers.pairwise_dots import PairwiseDots
from recsys_tf.layers.partitioned_normalization import PartitionedNormalization
from recsys_tf.layers.transformer_block import TransformerBlock

__all__ = [
    "AttentionPooling",
    "Bilinear",
    "CompositionalTable",
    "CrossLayer",
    "DenseStack",
    "Dice",
    "EmbeddingTable",
    "Experts",
    "FactorizationMachine",
    "FieldAttention",
    "FieldGate",
    "FrequencyGate",
    "GatedCrossLayer",
    "GroupBilinear",
    "HashedIds",
    "HashedTable",
    "HistoryDropout",
    "IdDropout",
    "MaskedMeanPooling",
    "PairwiseDots",
    "PartitionedNormalization",
    "SoftmaxGates",
    "TransformerBlock",
]
