"""TFRS tasks in the form that a Keras 3 model trains with."""

from recsys_tf.tasks.ranking import RankingTask
from recsys_tf.tasks.retrieval import RetrievalTask

__all__ = ["RankingTask", "RetrievalTask"]
