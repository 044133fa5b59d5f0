"""The whole run."""

from __future__ import annotations

from pydantic import model_validator

from recsys_tf.config.data import DataConfig
from recsys_tf.config.evaluation import EvaluationConfig
from recsys_tf.config.export import ExportConfig
from recsys_tf.config.model import ModelConfig
from recsys_tf.config.pipeline import PipelineConfig
from recsys_tf.config.retrieval import RetrievalConfig
from recsys_tf.config.training import TrainingConfig
from recsys_tf.schema import Schema
from recsys_tf.spec import Spec


class RunConfig(Spec):
    """The whole run. `features_and_tasks` replaces the data set's own schema where given."""

    data: DataConfig = DataConfig()
    features_and_tasks: Schema | None = None
    model: ModelConfig = ModelConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    export: ExportConfig = ExportConfig()
    pipeline: PipelineConfig = PipelineConfig()

    @model_validator(mode="after")
    def _cross_check(self) -> RunConfig:
        if self.training.table_optimizer is not None and self.model.l2_regularization:
            raise ValueError(
                "training.table_optimizer: must be left out where `model.l2_regularization` is "
                f"above 0 (received {self.training.table_optimizer!r} and "
                f"{self.model.l2_regularization}): the norm's gradient is of every row, and each "
                "step would walk the whole tables"
            )
        return self
