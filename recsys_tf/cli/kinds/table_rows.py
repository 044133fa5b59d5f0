"""A run of a ranker over rows of a table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import Self

from recsys_tf.cli.console import stage
from recsys_tf.cli.kinds.kind import HeldOutPart, RunKind
from recsys_tf.cli.loading import load_prepared_table
from recsys_tf.config import RunConfig

if TYPE_CHECKING:
    import tensorflow as tf

    from recsys_tf.datasets import LabelledTable
    from recsys_tf.evaluation import TableMeasurements
    from recsys_tf.models import Ranker
    from recsys_tf.preparation import PreparedTable


@dataclass(frozen=True)
class TableRows(RunKind):
    """A run whose model is a `Ranker`. Its run has a `table`."""

    has_users: ClassVar[bool] = False
    data: PreparedTable

    @classmethod
    def load(cls, run: RunConfig) -> Self:
        """See `RunKind`."""
        return cls(load_prepared_table(run))

    @property
    def source(self) -> LabelledTable:
        """See `RunKind`."""
        return self.data.table

    @staticmethod
    def model_type() -> type[Ranker]:
        """See `RunKind`."""
        from recsys_tf.models import Ranker

        return Ranker

    def build(self) -> Ranker:
        """See `RunKind`."""
        from recsys_tf.export.config_faults import check_table_export, check_table_labels
        from recsys_tf.training import build_ranker

        check_table_export(self.data.config.export, self.data.schema)
        check_table_labels(self.data.config.export, self.data)
        return build_ranker(self.data)

    def train_batches(self, model: Ranker) -> tf.data.Dataset:
        """See `RunKind`."""
        return self.data.dataset("train")

    def validation_batches(self, model: Ranker) -> tf.data.Dataset:
        """See `RunKind`."""
        return self.data.dataset("validation")

    def num_measured(self, part: HeldOutPart) -> int:
        """Returns the number of rows."""
        return len(getattr(self.data, part))

    def measure(
        self, model: Ranker, part: HeldOutPart, on_done: Callable[[int], object]
    ) -> TableMeasurements:
        """See `RunKind`; each row is measured by itself."""
        from recsys_tf.evaluation import measure_table

        measured = measure_table(model, self.data, part)
        on_done(self.num_measured(part))
        return measured

    def export(self, model: Ranker, target: Path) -> None:
        """See `RunKind`; calibrations are fitted on the validation rows."""
        from recsys_tf.export import ServedRanker, export_ranker, fit_calibrations

        config = self.data.config.export
        fitted = " and ".join(config.fitted)
        with stage(f"fitting {fitted} on the validation rows") if fitted else nullcontext():
            calibrations = fit_calibrations(model, self.data, config)
        with stage(f"writing {target}"):
            export_ranker(ServedRanker(model, self.data.preprocessor, config, calibrations), target)
