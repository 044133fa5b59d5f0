"""Everything that is measured of a ranker on a part of a table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from recsys_tf.evaluation.measurements import ROW_STATISTICS, Metrics, row_metrics, task_rows
from recsys_tf.features.frames import FrameColumns
from recsys_tf.metrics import TASK_METRICS, UndefinedMetricWarning, bootstrap_interval
from recsys_tf.models import Ranker
from recsys_tf.preparation import Part, PreparedTable
from recsys_tf.types import Array


@dataclass(frozen=True, eq=False)
class TableMeasurements:
    """What a ranker predicts for each row of a held-out part; see `Measurements`.

    Attributes:
        data: What the model was trained on; its `evaluation` says what is told.
        part: The part.
        rows: Labels, predictions and weights by task, see `task_rows`.
    """

    data: PreparedTable
    part: Part
    rows: Mapping[str, tuple[Array, Array, Array]]

    @cached_property
    def metrics(self) -> Metrics:
        """Values by `<task>/<metric>`, of all rows."""
        return row_metrics(self.data.schema, self.rows)

    def slices(self) -> dict[str, Metrics]:
        """Tells the metrics by the values of the features of `evaluation.slices`.

        Returns:
            By `<feature>=<value>`, values by `<task>/<metric>`, and `<task>/num_rows`; NaN where a
            slice does not define one. A feature that is missing has the value "".
        """
        found: dict[str, Metrics] = {}
        frame = FrameColumns(self.data.table.rows.iloc[getattr(self.data, self.part)], "rows")
        with warnings.catch_warnings():
            # A small slice easily has one class only.
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            for feature in self.data.config.evaluation.slices:
                codes, values = pd.factorize(frame.strings(feature), sort=True)
                for code, value in enumerate(values):
                    found[f"{feature}={value}"] = row_metrics(
                        self.data.schema, self.rows, codes == code, has_counts=True
                    )
        return found

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Computes bootstrap intervals over rows, of level `evaluation.confidence`.

        Returns:
            Lower and upper bound by `<task>/<metric>`, of AUC, RMSE and MAE; empty where the level
            is None.
        """
        level = self.data.config.evaluation.confidence
        if level is None:
            return {}
        found: dict[str, tuple[float, float]] = {}
        for task, (labels, predictions, weights) in self.rows.items():
            each = np.arange(len(labels))  # Each row is somebody of its own.
            for metric in TASK_METRICS[self.data.schema.task(task).kind]:
                if metric in ROW_STATISTICS:
                    statistic = ROW_STATISTICS[metric](labels, predictions, each, weights)
                    interval = bootstrap_interval(statistic, level)
                    found[f"{task}/{metric}"] = interval.low, interval.high
        return found


def measure_table(model: Ranker, data: PreparedTable, part: Part = "test") -> TableMeasurements:
    """Predicts each row of a part of a table, once.

    Args:
        model: A trained model.
        data: What it was trained on; its `evaluation` says what is told.
        part: The part to measure on, held out.

    Returns:
        What metrics, slices and intervals are computed from.

    Raises:
        ValueError: If the part is the training rows, which come in random order; `evaluate_tasks`
            measures those.
    """
    if part == "train":
        raise ValueError(
            "`part` must be validation or test, received 'train', whose rows come in random order; "
            "`evaluate_tasks` measures them."
        )
    return TableMeasurements(data, part, task_rows(model, data, part))
