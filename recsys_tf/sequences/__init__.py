"""Sequence encoders: `(events [B, L, D], is_valid [B, L]) -> [B, L, D]`, a state an event."""

from recsys_tf.sequences.bert4rec import BERT4Rec
from recsys_tf.sequences.caser import Caser
from recsys_tf.sequences.cnn import CNN
from recsys_tf.sequences.gru4rec import GRU4Rec
from recsys_tf.sequences.hstu import HSTU
from recsys_tf.sequences.last_state import LastState, last_state
from recsys_tf.sequences.linear_recurrence import LinearRecurrence
from recsys_tf.sequences.lstm import LSTM
from recsys_tf.sequences.sasrec import SASRec
from recsys_tf.sequences.sequence_encoder import SequenceEncoder

SEQUENCE_ENCODERS: dict[str, type[SequenceEncoder]] = {
    "bert4rec": BERT4Rec,
    "caser": Caser,
    "cnn": CNN,
    "gru4rec": GRU4Rec,
    "hstu": HSTU,
    "linear_recurrence": LinearRecurrence,
    "lstm": LSTM,
    "sasrec": SASRec,
}
"""Sequence encoders by name."""

__all__ = [
    "CNN",
    "HSTU",
    "LSTM",
    "SEQUENCE_ENCODERS",
    "BERT4Rec",
    "Caser",
    "GRU4Rec",
    "LastState",
    "LinearRecurrence",
    "SASRec",
    "SequenceEncoder",
    "last_state",
]
