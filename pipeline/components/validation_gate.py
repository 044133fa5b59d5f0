"""Stops a run at the anomalies that ExampleValidator only writes down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec


class DataAnomalyError(RuntimeError):
    """The examples are not what the schema says; the text names split, column and anomaly."""


class ValidationGateSpec(ComponentSpec):
    """Inputs of the gate; it has no outputs."""

    PARAMETERS: dict[str, Any] = {}
    INPUTS = {
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
    }
    OUTPUTS: dict[str, Any] = {}


class ValidationGateExecutor(base_executor.BaseExecutor):
    """Raises if a split is empty or has an anomaly."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Looks at every split.

        Args:
            input_dict: `anomalies` and `statistics`.
            output_dict: Empty.
            exec_properties: Empty.

        Raises:
            DataAnomalyError: If a split is empty or has an anomaly.
        """
        del output_dict, exec_properties
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        anomalies = artifact_utils.get_single_instance(input_dict["anomalies"])
        faults = []
        for split in artifact_utils.decode_split_names(statistics.split_names):
            path = _only_file(artifact_utils.get_split_uri([statistics], split))
            faults += empty_split(
                split, statistics_pb2.DatasetFeatureStatisticsList.FromString(path)
            )
        for split in artifact_utils.decode_split_names(anomalies.split_names):
            path = _only_file(artifact_utils.get_split_uri([anomalies], split))
            faults += anomalies_of(split, anomalies_pb2.Anomalies.FromString(path))
        if faults:
            raise DataAnomalyError("The examples are not fit for training: " + "; ".join(faults))


class ValidationGate(base_component.BaseComponent):
    """Runs after ExampleValidator; what needs sound examples is made to wait for it.

    Args:
        anomalies: What ExampleValidator wrote.
        statistics: What StatisticsGen wrote.
    """

    SPEC_CLASS = ValidationGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ValidationGateExecutor)

    def __init__(self, anomalies: Any, statistics: Any) -> None:
        super().__init__(ValidationGateSpec(anomalies=anomalies, statistics=statistics))


def empty_split(split: str, statistics: statistics_pb2.DatasetFeatureStatisticsList) -> list[str]:
    """Returns a fault if the split has no row."""
    num_rows = sum(dataset.num_examples for dataset in statistics.datasets)
    return [] if num_rows else [f"the split {split!r} is empty"]


def anomalies_of(split: str, anomalies: anomalies_pb2.Anomalies) -> list[str]:
    """Returns a line for each anomaly: split, column and what is wrong."""
    faults = []
    if anomalies.HasField("dataset_anomaly_info"):
        faults.append(f"{split}: {anomalies.dataset_anomaly_info.description}")
    for column, info in sorted(anomalies.anomaly_info.items()):
        reasons = ", ".join(
            f"{reason.short_description} ({reason.description.rstrip('. ')})"
            for reason in info.reason
        )
        faults.append(f"{split}: column `{column}`: {reasons or info.description}")
    return faults


def _only_file(folder: str) -> bytes:
    (path,) = (path for path in Path(folder).iterdir() if path.is_file())
    return path.read_bytes()
