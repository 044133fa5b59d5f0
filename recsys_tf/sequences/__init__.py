"""Sequence encoders: `(events [B, L, D], is_valid [B, L]) -> [B, L, D]`, a state an event."""

from recsys_tf.sequences.gru4rec import GRU4Rec
from recsys_tf.sequences.last_state import LastState, last_state
from recsys_tf.sequences.sasrec import SASRec
from recsys_tf.sequences.sequence_encoder import SequenceEncoder

SEQUENCE_ENCODERS: dict[str, type[SequenceEncoder]] = {
    "gru4rec": GRU4Rec,
    "sasrec": SASRec,
}
"""Sequence encoders by name."""

__all__ = [
    "SEQUENCE_ENCODERS",
    "GRU4Rec",
    "LastState",
    "SASRec",
    "SequenceEncoder",
    "last_state",
]
