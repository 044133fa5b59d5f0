"""Finding the best items of a catalogue inside the served graph."""

from recsys_tf.retrieval.candidate_index import CandidateIndex

__all__ = ["CandidateIndex"]
