"""What a data set holds and what is to be learned from it.

A schema is written once, in Python or YAML. Every other part of the package reads names, kinds
and sides from it, so that a feature, task or scenario name is typed in one place only.
"""

from recsys_tf.schema.features import (
    Aligned,
    CategoricalFeature,
    EmbeddingFeature,
    FeatureSpec,
    HistoryFeature,
    IdFeature,
    NumericFeature,
    Side,
    TextFeature,
)
from recsys_tf.schema.features_and_tasks import FeaturesAndTasks, ScenarioSpec
from recsys_tf.schema.interactions_schema import Schema
from recsys_tf.schema.table_schema import TableSchema
from recsys_tf.schema.tasks import TaskSpec

__all__ = [
    "Aligned",
    "CategoricalFeature",
    "EmbeddingFeature",
    "FeatureSpec",
    "FeaturesAndTasks",
    "HistoryFeature",
    "IdFeature",
    "NumericFeature",
    "ScenarioSpec",
    "Schema",
    "Side",
    "TableSchema",
    "TaskSpec",
    "TextFeature",
]
