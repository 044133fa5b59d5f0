"""Assembly: the schema and the configuration become one Keras model."""

from recsys_tf.models.growth import grow_tables, with_content
from recsys_tf.models.multitask_model import MultitaskModel
from recsys_tf.models.predictions import predict, predict_all
from recsys_tf.models.ranker import Ranker
from recsys_tf.models.recommender import Recommender
from recsys_tf.models.sequence_recommender import SequenceRecommender

__all__ = [
    "MultitaskModel",
    "Ranker",
    "Recommender",
    "SequenceRecommender",
    "grow_tables",
    "predict",
    "predict_all",
    "with_content",
]
