"""The typed description of a run: data, model, training, evaluation, export, pipeline.

Every field has a default that serves MovieLens; `recsys-tf train --config run.yaml` reads the
others. A configuration is saved beside each model, so that a run can be repeated.
"""

from recsys_tf.config.bilinear import BilinearConfig
from recsys_tf.config.data import DataConfig
from recsys_tf.config.evaluation import EvaluationConfig
from recsys_tf.config.export import ExportConfig
from recsys_tf.config.fields import BlockOptions
from recsys_tf.config.goal import AnswerGoal
from recsys_tf.config.model import ModelConfig
from recsys_tf.config.pipeline import PipelineConfig
from recsys_tf.config.retrieval import RetrievalConfig
from recsys_tf.config.run import RunConfig
from recsys_tf.config.sequence import SequenceConfig
from recsys_tf.config.table import TableConfig
from recsys_tf.config.text import TextConfig
from recsys_tf.config.training import TrainingConfig

__all__ = [
    "AnswerGoal",
    "BilinearConfig",
    "BlockOptions",
    "DataConfig",
    "EvaluationConfig",
    "ExportConfig",
    "ModelConfig",
    "PipelineConfig",
    "RetrievalConfig",
    "RunConfig",
    "SequenceConfig",
    "TableConfig",
    "TextConfig",
    "TrainingConfig",
]
