"""The whole run."""

from __future__ import annotations

from pydantic import model_validator

from recsys_tf.config.data import DataConfig
from recsys_tf.config.evaluation import EvaluationConfig
from recsys_tf.config.export import ExportConfig
from recsys_tf.config.model import ModelConfig
from recsys_tf.config.pipeline import PipelineConfig
from recsys_tf.config.retrieval import RetrievalConfig
from recsys_tf.config.sequence import SequenceConfig
from recsys_tf.config.table import OWN_FILES, TableConfig
from recsys_tf.config.training import TrainingConfig
from recsys_tf.config.unread import sequence_faults, table_faults
from recsys_tf.schema import Schema
from recsys_tf.spec import Spec, SpecError, list_faults


class RunConfig(Spec):
    """The whole run.

    Attributes:
        data: Which data set is read and how it is cut.
        features_and_tasks: What replaces the data set's own schema; None keeps that.
        sequence: A sequential recommender instead of the two towers and heads of `model`; None for
            these. It then takes the place of `model`, of which `text` alone is read (by
            `content_features` that are texts), and of `retrieval`. What it does not read is refused
            where it is set: most of `model`, `retrieval` and `export`, and of `training` the
            weighting of tasks and the weights by age. What `pipeline` asks of a model is not read
            either.
        table: Rows of a table, which a `Ranker` of `model` judges; None reads users, items and
            events. What it does not read is refused where it is set: `retrieval`, the histories and
            towers of `model`, and what `evaluation` and `export` say of lists.
        model: Sizes and blocks of the model.
        retrieval: The retrieval task's loss.
        training: How the model is fitted.
        evaluation: What is measured.
        export: What the SavedModel answers.
        pipeline: When the TFX pipeline publishes a model, which refuses a run with `sequence` or
            `table`.
    """

    data: DataConfig = DataConfig()
    features_and_tasks: Schema | None = None
    sequence: SequenceConfig | None = None
    table: TableConfig | None = None
    model: ModelConfig = ModelConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    export: ExportConfig = ExportConfig()
    pipeline: PipelineConfig = PipelineConfig()

    @model_validator(mode="after")
    def _cross_check(self) -> RunConfig:
        if self.table is not None:
            faults = self._table_faults(self.table)
        else:
            faults = [] if self.sequence is None else self._sequence_faults()
        if self.training.table_optimizer is not None and self.model.l2_regularization:
            faults.append(
                "training.table_optimizer: must be left out where `model.l2_regularization` is "
                f"above 0 (received {self.training.table_optimizer!r} and "
                f"{self.model.l2_regularization}): the norm's gradient is of every row, and each "
                "step would walk the whole tables"
            )
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def check_pipeline(self) -> None:
        """Checks that the TFX pipeline, and so `recsys-tf demo`, trains such a run.

        Raises:
            SpecError: If the run has a `sequence` or a `table`, or its `evaluation` names what the
                pipeline does not tell; the text lists every fault with its field's path.
        """
        faults = [
            f"evaluation.{name}: has no meaning for the TFX pipeline, which tells its own metrics "
            f"and slices, received {value!r}; `recsys-tf evaluate` reads it. Leave it out."
            for name, value in self.evaluation.changed(("metrics", "slices", "confidence")).items()
        ]
        if self.sequence is not None:
            faults.append(
                "sequence: must be left out for the TFX pipeline, which trains the two towers and "
                "heads of `model` alone; `recsys-tf train`, `evaluate` and `export` make, measure "
                "and write a sequential recommender."
            )
        if self.table is not None:
            faults.append(
                "table: must be left out for the TFX pipeline, which trains the two towers and "
                "heads of `model` over users and items; `recsys-tf train`, `evaluate` and `export` "
                "make, measure and write a ranker of a table."
            )
        if faults:
            raise SpecError(list_faults("RunConfig", faults))

    def _table_faults(self, table: TableConfig) -> list[str]:
        others = {
            "sequence": "a row has no events before it",
            "features_and_tasks": "`table.features_and_tasks` tells what the columns mean",
        }
        faults = [
            f"{name}: must be left out with `table`: {reason}"
            for name, reason in others.items()
            if getattr(self, name) is not None
        ]
        faults += table_faults({name: each for name, each in self if isinstance(each, Spec)})
        if self.data.split != "random":
            faults.append(
                "data.split: must be random with `table`, whose rows tell no user and no moment, "
                f"received {self.data.split!r}"
            )
        if self.data.dataset in OWN_FILES and table.features_and_tasks is None:
            faults.append(
                "table.features_and_tasks: must tell what the columns of one's own files "
                f"(`data.dataset` {self.data.dataset!r}) mean, received None"
            )
        if self.data.dataset in OWN_FILES and table.test_rows == "published":
            faults.append(
                "table.test_rows: must be drawn for one's own files, of which no test rows are "
                "published; received 'published'"
            )
        elif table.test_rows == "published" and self.data.changed(["test_share"]):
            faults.append(
                "data.test_share: has no meaning with published test rows, received "
                f"{self.data.test_share}; leave it out"
            )
        return faults

    def _sequence_faults(self) -> list[str]:
        parts = {name: each for name, each in self if isinstance(each, Spec) and name != "sequence"}
        return sequence_faults(parts)
