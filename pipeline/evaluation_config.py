"""What the Evaluator measures, in which slices, and what blocks a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import tensorflow_model_analysis as tfma
from google.protobuf import wrappers_pb2

from pipeline.evaluation_inputs import label_name, weight_name
from recsys_tf.config import RunConfig
from recsys_tf.naming import unknown_name_message
from recsys_tf.schema import Schema

SIGNATURE = "evaluate"
"""The SavedModel's signature that the Evaluator asks."""

_TASK_METRICS = {
    "regression": (
        ("rmse", "RootMeanSquaredError", "pipeline.rmse_metric"),
        ("mae", "MeanAbsoluteError", ""),
    ),
    "binary": (
        ("auc", "AUC", ""),
        ("log_loss", "BinaryCrossEntropy", ""),
        ("accuracy", "BinaryAccuracy", ""),
    ),
}
_FALLING = ("rmse", "mae", "log_loss")
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Measure:
    """One metric of one of the model's outputs.

    Attributes:
        name: `<task>/<metric>`, as `recsys_tf.evaluation` names it.
        output: The output of the signature `evaluate` that it is computed from.
        task: The task whose label and weight it uses.
        class_name: The class in TensorFlow Model Analysis.
        module: Where the class stands, if not there.
        is_higher_better: Which way is up.
        is_watched: Whether a model must not be worse in it than the blessed one.
        chance: The value that guessing reaches, where that is known.
    """

    name: str
    output: str
    task: str
    class_name: str
    module: str = ""
    is_higher_better: bool = True
    is_watched: bool = False
    chance: float | None = None


def measures(schema: Schema, config: RunConfig, num_items: int) -> tuple[Measure, ...]:
    """Lists everything that the Evaluator measures.

    Args:
        schema: Tasks.
        config: Cut-offs of the ranking metrics.
        num_items: Items of the catalogue, from which the chance of a hit follows.

    Returns:
        The measures of the retrieval, regression and binary tasks that a model answers.
    """
    found = []
    for task in (each for each in schema.ranking_tasks if each.kind in _TASK_METRICS):
        for index, (metric, class_name, module) in enumerate(_TASK_METRICS[task.kind]):
            found.append(
                Measure(
                    name=f"{task.name}/{metric}",
                    output=task.name,
                    task=task.name,
                    class_name=class_name,
                    module=module,
                    is_higher_better=metric not in _FALLING,
                    is_watched=index == 0,
                    chance=0.5 if metric == "auc" else None,
                )
            )
    retrieval = schema.retrieval_task
    cutoffs = sorted(set(config.evaluation.cutoffs))
    for k in cutoffs:
        if retrieval is None:
            break
        for metric in ("hit", "ndcg"):
            found.append(
                Measure(
                    name=f"{retrieval.name}/{metric}_at_{k}",
                    output=f"{retrieval.name}_{metric}_at_{k}",
                    task=retrieval.name,
                    class_name="MeanPrediction",
                    is_watched=metric == "ndcg" and k == cutoffs[0],
                    chance=min(k / max(num_items, 1), 1 - 1e-6) if metric == "hit" else None,
                )
            )
    return tuple(found)


def evaluation_config(schema: Schema, config: RunConfig, num_items: int) -> tfma.EvalConfig:
    """Writes the Evaluator's configuration.

    A model is blessed if every metric is a number, those in `min_metrics` and `max_metrics` hold,
    it beats chance (an AUC above 0.5, more hits at the longest cut-off than drawn items would
    give) where `min_metrics` sets nothing else, and the first metric of each task is not worse
    than the blessed model's by more than the share `max_regression`.

    Args:
        schema: Tasks and scenario.
        config: The run.
        num_items: Items of the catalogue.

    Returns:
        The configuration, for the candidate and the baseline.

    Raises:
        ValueError: If `min_metrics` or `max_metrics` names no metric; the text gives near names.
    """
    found = measures(schema, config, num_items)
    known = [each.name for each in found]
    for field in ("min_metrics", "max_metrics"):
        for name in getattr(config.pipeline, field):
            if name not in known:
                raise ValueError(unknown_name_message(f"pipeline.{field}", name, known))
    slices = [["is_new_user"]]
    if schema.history is not None:
        slices.append(["activity"])
    if schema.scenario is not None:
        slices.append([schema.scenario.feature])
    return tfma.EvalConfig(
        model_specs=[_model("candidate", found), _model("baseline", found)],
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=keys) for keys in slices),
        ],
        metrics_specs=[_metrics(output, found, config) for output in _outputs(found)],
    )


def _model(name: Literal["candidate", "baseline"], found: tuple[Measure, ...]) -> tfma.ModelSpec:
    tasks = {each.output: each.task for each in found}
    return tfma.ModelSpec(
        name=name,
        is_baseline=name == "baseline",
        signature_name=SIGNATURE,
        label_keys={output: label_name(task) for output, task in tasks.items()},
        example_weight_keys={output: weight_name(task) for output, task in tasks.items()},
    )


def _outputs(found: tuple[Measure, ...]) -> list[str]:
    return list(dict.fromkeys(each.output for each in found))


def _metrics(output: str, found: tuple[Measure, ...], config: RunConfig) -> tfma.MetricsSpec:
    longest = max(config.evaluation.cutoffs)
    return tfma.MetricsSpec(
        output_names=[output],
        model_names=["candidate", "baseline"],
        example_weights=tfma.ExampleWeightOptions(weighted=True),
        metrics=[
            tfma.MetricConfig(
                class_name=each.class_name,
                module=each.module,
                config=json.dumps({"name": each.name}),
                threshold=_threshold(each, config, longest),
            )
            for each in found
            if each.output == output
        ],
    )


def _threshold(measure: Measure, config: RunConfig, longest: int) -> tfma.MetricThreshold:
    wanted = config.pipeline
    lowest, highest = wanted.min_metrics.get(measure.name), wanted.max_metrics.get(measure.name)
    is_hit_list = measure.name.endswith(f"/hit_at_{longest}")
    if (
        lowest is None
        and measure.chance is not None
        and (is_hit_list or "/hit" not in measure.name)
    ):
        lowest = measure.chance
    # Bounds that every number meets: NaN meets none, and without any bound nothing is blessed.
    bounds = tfma.GenericValueThreshold(
        lower_bound=wrappers_pb2.DoubleValue(value=-1e300 if lowest is None else lowest),
        upper_bound=wrappers_pb2.DoubleValue(value=1e300 if highest is None else highest),
    )
    if not measure.is_watched:
        return tfma.MetricThreshold(value_threshold=bounds)
    # The comparison is strict, and a model may be just as good as the blessed one.
    share = wanted.max_regression + _ROUNDING
    up, down = tfma.MetricDirection.HIGHER_IS_BETTER, tfma.MetricDirection.LOWER_IS_BETTER
    change = tfma.GenericChangeThreshold(
        direction=up if measure.is_higher_better else down,
        relative=wrappers_pb2.DoubleValue(value=-share if measure.is_higher_better else share),
    )
    return tfma.MetricThreshold(value_threshold=bounds, change_threshold=change)
