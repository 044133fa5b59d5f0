"""The root mean squared error as a metric of TensorFlow Model Analysis, which has none."""

from __future__ import annotations

import math
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

_SQUARED = "_mean_squared_error"  # The underscore keeps it out of the result.


class RootMeanSquaredError(tfma.metrics.Metric):
    """The root of the weighted mean of squared errors, NaN where all weights are 0.

    Args:
        name: Name in the result.
    """

    def __init__(self, name: str = "rmse") -> None:
        super().__init__(metric_util.merge_per_key_computations(_computations), name=name)


metric_types.register_metric(RootMeanSquaredError)


def _computations(
    name: str = "rmse",
    eval_config: tfma.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    computations = tfma.metrics.MeanSquaredError(name=_SQUARED).computations(
        eval_config=eval_config,
        model_names=[model_name],
        output_names=[output_name],
        example_weighted=example_weighted,
    )
    squared = computations[-1].keys[-1]
    key = metric_types.MetricKey(
        name=name,
        model_name=model_name,
        output_name=output_name,
        example_weighted=example_weighted,
    )

    def result(metrics: dict[Any, Any]) -> dict[Any, float]:
        return {key: math.sqrt(metrics[squared])}

    return [
        *computations,
        metric_types.DerivedMetricComputation(keys=[key], result=result),
    ]
