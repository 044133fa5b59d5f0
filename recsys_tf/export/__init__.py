"""The SavedModel: one file set that answers recommendations, scores and evaluations."""

from recsys_tf.export.answer_fitting import (
    AnswerFit,
    AnswerSearch,
    fit_answer,
    fit_configured_answer,
    fit_stacked_answer,
)
from recsys_tf.export.answer_lists import validation_lists
from recsys_tf.export.asking import raw_queries, recommend
from recsys_tf.export.calibrating import calibrations_of_batches, fit_calibrations
from recsys_tf.export.ensemble_members import EnsembleMember
from recsys_tf.export.saved_model import export_saved_model
from recsys_tf.export.served_ensemble import ServedEnsemble, export_ensemble
from recsys_tf.export.served_ranker import ServedRanker, export_ranker
from recsys_tf.export.served_recommender import ServedRecommender
from recsys_tf.export.served_sequences import ServedSequences, export_sequence_model
from recsys_tf.export.validation_rows import ValidationRows

__all__ = [
    "AnswerFit",
    "AnswerSearch",
    "EnsembleMember",
    "ServedEnsemble",
    "ServedRanker",
    "ServedRecommender",
    "ServedSequences",
    "ValidationRows",
    "calibrations_of_batches",
    "export_ensemble",
    "export_ranker",
    "export_saved_model",
    "export_sequence_model",
    "fit_answer",
    "fit_calibrations",
    "fit_configured_answer",
    "fit_stacked_answer",
    "raw_queries",
    "recommend",
    "validation_lists",
]
