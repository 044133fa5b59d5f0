"""Serving: a client, a local model server, and how to run the real ``tensorflow/serving``.

The client needs neither TensorFlow nor this project's models. The server is
``serving.server``; it loads TensorFlow.
"""

from serving.client import Recommendation, RecommenderClient
from serving.errors import ServingError

__all__ = ["Recommendation", "RecommenderClient", "ServingError"]
