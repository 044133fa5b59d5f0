"""recsys_tf: recommenders on TensorFlow and Keras 3, from raw interactions to a served answer.

The names here need no TensorFlow. The parts lie in rooms of their own, in the way of the data:
`datasets`, `features`, `encoders`, `multitask`, `heads`, `tasks`, `models`, `training`,
`evaluation`, `export`.
"""

import os

# TFRS needs `tf.keras` to be Keras 2, which is read when `tf.keras` is first touched;
# `import keras` stays Keras 3.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from recsys_tf.config import (
    AnswerGoal,
    BilinearConfig,
    DataConfig,
    EvaluationConfig,
    ExportConfig,
    ModelConfig,
    PipelineConfig,
    RetrievalConfig,
    RunConfig,
    SequenceConfig,
    TableConfig,
    TextConfig,
    TrainingConfig,
)
from recsys_tf.schema import (
    CategoricalFeature,
    EmbeddingFeature,
    HistoryFeature,
    IdFeature,
    NumericFeature,
    ScenarioSpec,
    Schema,
    TableSchema,
    TaskSpec,
    TextFeature,
)
from recsys_tf.spec import SpecError

__version__ = "0.1.0"

__all__ = [
    "AnswerGoal",
    "BilinearConfig",
    "CategoricalFeature",
    "DataConfig",
    "EmbeddingFeature",
    "EvaluationConfig",
    "ExportConfig",
    "HistoryFeature",
    "IdFeature",
    "ModelConfig",
    "NumericFeature",
    "PipelineConfig",
    "RetrievalConfig",
    "RunConfig",
    "ScenarioSpec",
    "Schema",
    "SequenceConfig",
    "SpecError",
    "TableConfig",
    "TableSchema",
    "TaskSpec",
    "TextConfig",
    "TextFeature",
    "TrainingConfig",
]
