"""The Evaluator's configuration: what it measures, in which slices, and what blocks a model."""

from __future__ import annotations

import json

import tensorflow_model_analysis as tfma
from google.protobuf import wrappers_pb2
from tensorflow_model_analysis.proto import config_pb2

from pipeline.measures import Measure, columns, measures
from pipeline.row_metrics import described
from recsys_tf.config import PipelineConfig, RunConfig
from recsys_tf.naming import look_up
from recsys_tf.schema import Schema

ROWS_SIGNATURE = "evaluation_rows"
"""The SavedModel's signature that gives the Evaluator one vector a row."""

SLICES_SIGNATURE = "transformed_features"
"""The SavedModel's signature that gives the slices; the name is TFMA's."""

_ROUNDING = 1e-9


def evaluation_config(schema: Schema, config: RunConfig) -> config_pb2.EvalConfig:
    """Writes the Evaluator's configuration.

    A model is blessed if over all rows every metric is a number, those in `min_metrics` and
    `max_metrics` hold, it is no worse than chance (an AUC of 0.5, as many hits at the longest
    cut-off as drawn items would give) where `min_metrics` sets nothing else, and the first metric
    of each task is not worse than the blessed model's by more than the share `max_regression`.

    Args:
        schema: Tasks and scenario.
        config: The run.

    Returns:
        The configuration.

    Raises:
        ValueError: If `min_metrics` or `max_metrics` names no metric; the text gives near names.
    """
    found = measures(schema, config)
    by_name = {each.name: each for each in found}
    for bound in ("min_metrics", "max_metrics"):
        for name in getattr(config.pipeline, bound):
            look_up(by_name, name, f"pipeline.{bound}")
    keys = ["is_new_user"]
    if schema.history is not None:
        keys.append("activity")
    if schema.scenario is not None:
        keys.append(schema.scenario.feature)
    return config_pb2.EvalConfig(
        model_specs=[
            # TFMA adds a baseline like it where there is one.
            config_pb2.ModelSpec(
                signature_name=ROWS_SIGNATURE,
                # Else TFMA loads the model once more, to see whether it is a Keras one.
                model_type=tfma.TF_GENERIC,
            )
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[key]) for key in keys),
        ],
        metrics_specs=[_metrics(found, config.pipeline)],
    )


def _metrics(found: tuple[Measure, ...], wanted: PipelineConfig) -> config_pb2.MetricsSpec:
    settings = {"columns": columns(found), "measures": described(found)}
    return config_pb2.MetricsSpec(
        metrics=[
            config_pb2.MetricConfig(
                class_name="RowMetrics", module="pipeline.row_metrics", config=json.dumps(settings)
            )
        ],
        per_slice_thresholds={
            # Bounds on a slice of few rows would block models by chance: over all rows alone.
            each.name: config_pb2.PerSliceMetricThresholds(
                thresholds=[
                    config_pb2.PerSliceMetricThreshold(
                        slicing_specs=[config_pb2.SlicingSpec()], threshold=_threshold(each, wanted)
                    )
                ]
            )
            for each in found
        },
    )


def _threshold(measure: Measure, wanted: PipelineConfig) -> config_pb2.MetricThreshold:
    lowest = wanted.min_metrics.get(measure.name, measure.chance)
    highest = wanted.max_metrics.get(measure.name)
    # Bounds that every number meets: NaN meets none, and without any bound nothing is blessed.
    bounds = config_pb2.GenericValueThreshold(
        lower_bound=wrappers_pb2.DoubleValue(value=-1e300 if lowest is None else lowest),
        upper_bound=wrappers_pb2.DoubleValue(value=1e300 if highest is None else highest),
    )
    if not measure.is_watched:
        return config_pb2.MetricThreshold(value_threshold=bounds)
    # A model may be just as good as the blessed one, whatever rounding does.
    share = wanted.max_regression + _ROUNDING
    up, down = (
        config_pb2.MetricDirection.HIGHER_IS_BETTER,
        config_pb2.MetricDirection.LOWER_IS_BETTER,
    )
    change = config_pb2.GenericChangeThreshold(
        direction=up if measure.is_higher_better else down,
        relative=wrappers_pb2.DoubleValue(value=-share if measure.is_higher_better else share),
    )
    return config_pb2.MetricThreshold(value_threshold=bounds, change_threshold=change)
