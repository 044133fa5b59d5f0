"""Assembly: the schema and the configuration become one Keras model."""

from recsys_tf.models.predictions import predict, predict_all
from recsys_tf.models.recommender import Recommender

__all__ = ["Recommender", "predict", "predict_all"]
