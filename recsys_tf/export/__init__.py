"""The SavedModel: one file set that answers recommendations, scores and evaluations."""

from recsys_tf.export.asking import raw_queries, recommend
from recsys_tf.export.saved_model import export_saved_model
from recsys_tf.export.served_recommender import ServedRecommender

__all__ = ["ServedRecommender", "export_saved_model", "raw_queries", "recommend"]
