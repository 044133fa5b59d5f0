"""From prepared data to a trained model: built, compiled, fitted, and resumed after a kill."""

from recsys_tf.training.callbacks import NonFiniteLossError
from recsys_tf.training.fitting import (
    build_ranker,
    build_recommender,
    build_sequence_recommender,
    compile_model,
    fit,
)
from recsys_tf.training.initialization import new_ranker, new_recommender

__all__ = [
    "NonFiniteLossError",
    "build_ranker",
    "build_recommender",
    "build_sequence_recommender",
    "compile_model",
    "fit",
    "new_ranker",
    "new_recommender",
]
