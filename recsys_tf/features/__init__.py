"""Preprocessing, in one definition for `tf.data`, TensorFlow Transform and the served graph.

`make_examples` joins events with users and histories, `fit_state` learns vocabularies and moments
from the training rows, `Preprocessor` applies them, `make_dataset` makes batches, and
`make_record_dataset` makes them of written examples that memory need not hold.
"""

from recsys_tf.features.actions import action_indices
from recsys_tf.features.dataset import make_dataset
from recsys_tf.features.examples import (
    Examples,
    ListColumn,
    catalogue_examples,
    make_examples,
)
from recsys_tf.features.fitting import fit_state
from recsys_tf.features.labels import check_labels, label_columns, make_labels
from recsys_tf.features.preprocessing import Analysis, preprocess
from recsys_tf.features.preprocessor import Preprocessor
from recsys_tf.features.records import make_record_dataset
from recsys_tf.features.sequences import make_question_dataset, make_sequence_dataset
from recsys_tf.features.state import FeatureState
from recsys_tf.features.tables import make_table_dataset, table_examples
from recsys_tf.features.transformed import id_indices, transform_catalogue
from recsys_tf.features.user_sequences import Sequences, make_sequences
from recsys_tf.features.wordpiece import WordPieceTokenizer, learn_word_pieces

__all__ = [
    "Analysis",
    "Examples",
    "FeatureState",
    "ListColumn",
    "Preprocessor",
    "Sequences",
    "WordPieceTokenizer",
    "action_indices",
    "catalogue_examples",
    "check_labels",
    "fit_state",
    "id_indices",
    "label_columns",
    "learn_word_pieces",
    "make_dataset",
    "make_examples",
    "make_labels",
    "make_question_dataset",
    "make_record_dataset",
    "make_sequence_dataset",
    "make_sequences",
    "make_table_dataset",
    "preprocess",
    "table_examples",
    "transform_catalogue",
]
