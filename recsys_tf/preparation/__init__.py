"""From a data set and a run's configuration to rows, batches and a fitted preprocessing by part."""

from recsys_tf.preparation.event_pairs import EventPairs
from recsys_tf.preparation.item_content import catalogue_content, history_content
from recsys_tf.preparation.prepared_data import (
    Part,
    PreparedData,
    check_no_recency,
    prepare,
    recency_weights,
)
from recsys_tf.preparation.prepared_table import PreparedTable, prepare_table
from recsys_tf.preparation.sequence_data import SequenceData

__all__ = [
    "EventPairs",
    "Part",
    "PreparedData",
    "PreparedTable",
    "SequenceData",
    "catalogue_content",
    "check_no_recency",
    "history_content",
    "prepare",
    "prepare_table",
    "recency_weights",
]
