"""Reads what a run left in the metadata store and in the Evaluator's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from pipeline.components.atomic_pusher import NOT_PUSHED_REASON
from pipeline.dag_runner import ComponentRun

OVERALL = "overall"
"""Name of the slice of all rows."""


@dataclass(frozen=True)
class PipelineResult:
    """What a run came to.

    Attributes:
        is_blessed: Whether the Evaluator let the model pass.
        reasons: Why nothing was pushed: a line for each bound that does not hold, or that the model
            was withdrawn.
        version: Number of the served version; None where nothing was pushed.
        path: Its folder.
        metrics: Values by slice (`overall`, `is_new_user=yes`, ...) and `<task>/<metric>`.
        baseline_metrics: The same of the model that it was compared with; empty for the first.
        components: What became of each component, in order.
        log: File with everything that TFX, Beam and TensorFlow said.
    """

    is_blessed: bool
    reasons: tuple[str, ...]
    version: int | None
    path: Path | None
    metrics: Mapping[str, Mapping[str, float]]
    baseline_metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    components: tuple[ComponentRun, ...] = ()
    log: Path | None = None

    @property
    def is_published(self) -> bool:
        """Whether the model is a served version: it passed, and nobody has withdrawn it."""
        return self.version is not None

    @property
    def is_cached(self) -> bool:
        """Whether everything came from the cache."""
        return all(each.is_cached for each in self.components if each.execution_id is not None)


def read_result(
    connection: metadata_store_pb2.ConnectionConfig, components: tuple[ComponentRun, ...], log: Path
) -> PipelineResult:
    """Collects the result of a run that has ended well.

    Args:
        connection: The metadata store.
        components: The components of the run.
        log: Its log.

    Returns:
        The result.
    """
    by_name = {each.name: each for each in components}
    with metadata.Metadata(connection) as handle:
        evaluated = _outputs(handle.store, by_name["Evaluator"])
        pushed = _outputs(handle.store, by_name["Pusher"])["pushed_model"]
    blessing, evaluation = evaluated["blessing"], evaluated["evaluation"]
    is_blessed = blessing.custom_properties["blessed"].int_value == 1
    is_pushed = pushed.custom_properties["pushed"].int_value == 1
    has_baseline = "baseline_model_id" in blessing.custom_properties
    properties = pushed.custom_properties
    if is_blessed:
        reasons: tuple[str, ...] = (properties[NOT_PUSHED_REASON].string_value,)
    else:
        reasons = _reasons(evaluation.uri)
    return PipelineResult(
        is_blessed=is_blessed,
        reasons=() if is_pushed else reasons,
        version=int(properties["pushed_version"].string_value) if is_pushed else None,
        path=Path(properties["pushed_destination"].string_value) if is_pushed else None,
        metrics=_metrics(evaluation.uri, tfma.CANDIDATE_KEY if has_baseline else None),
        baseline_metrics=_metrics(evaluation.uri, tfma.BASELINE_KEY) if has_baseline else {},
        components=components,
        log=log,
    )


def _outputs(store: Any, component: ComponentRun) -> dict[str, metadata_store_pb2.Artifact]:
    """Returns a component's output artifacts by key, those from the cache too."""
    events = [
        event
        for event in store.get_events_by_execution_ids([component.execution_id])
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    artifacts = {
        each.id: each for each in store.get_artifacts_by_id([e.artifact_id for e in events])
    }
    return {event.path.steps[0].key: artifacts[event.artifact_id] for event in events}


def _metrics(folder: str, model: str | None) -> dict[str, dict[str, float]]:
    result = tfma.load_eval_result(folder, model_name=model)
    found: dict[str, dict[str, float]] = {}
    for slice_key, by_output in result.slicing_metrics:
        name = ", ".join(f"{column}={_text(value)}" for column, value in slice_key) or OVERALL
        found[name] = {
            metric: value["doubleValue"]
            for by_class in by_output.values()
            for metrics in by_class.values()
            for metric, value in metrics.items()
            if "/" in metric and "doubleValue" in value
        }
    return dict(sorted(found.items(), key=lambda item: (item[0] != OVERALL, item[0])))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _reasons(folder: str) -> tuple[str, ...]:
    validation = tfma.load_validation_result(folder)
    reasons = [
        _reason(failure)
        for each in validation.metric_validations_per_slice
        for failure in each.failures
    ]
    return tuple(reasons) or ("the Evaluator found nothing to validate",)


def _reason(failure: Any) -> str:
    name, value = failure.metric_key.name, failure.metric_value.double_value.value
    threshold = failure.metric_threshold
    bounds = threshold.value_threshold
    low, high = bounds.lower_bound.value, bounds.upper_bound.value
    if failure.metric_key.is_diff:
        if value != value:
            return f"{name} is not a number, here or in the blessed model"
        share = abs(threshold.change_threshold.relative.value)
        return f"{name} differs by {value:+.4g} from the blessed model, more than {share:.1%} worse"
    if value != value:
        return f"{name} is not a number"
    if value < low:
        return f"{name} is {value:.4g}, below the lowest allowed {low:.4g}"
    if value > high:
        return f"{name} is {value:.4g}, above the highest allowed {high:.4g}"
    return f"{name}: {failure.message.strip() or 'its bound does not hold'}"
