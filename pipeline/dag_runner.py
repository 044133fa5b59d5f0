"""TFX's local runner, told to say what it does."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.portable import launcher, runtime_parameter_utils

_State = metadata_store_pb2.Execution.State


@dataclass(frozen=True)
class ComponentRun:
    """What became of one component.

    Attributes:
        name: Its id in the pipeline.
        seconds: How long it took.
        is_cached: Whether its result came from the cache.
        execution_id: Its execution in the metadata store; None for a resolver.
    """

    name: str
    seconds: float
    is_cached: bool
    execution_id: int | None


class ComponentError(RuntimeError):
    """A component failed; the cause is attached.

    Args:
        name: The component.
        text: What happened, in a sentence.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name} failed: {text}")
        self.name = name


class TellingDagRunner(LocalDagRunner):
    """Runs one component after the other and reports each before and after.

    `LocalDagRunner` says so in its log only, and goes on with the next component where the inputs
    of one could not be resolved.

    Args:
        on_start: Called with the component's name.
        on_finish: Called with what became of it.
    """

    def __init__(
        self, on_start: Callable[[str], object], on_finish: Callable[[ComponentRun], object]
    ) -> None:
        super().__init__()
        self._on_start = on_start
        self._on_finish = on_finish

    def run_with_ir(self, pipeline: Any, run_options: Any = None) -> None:
        """Runs a compiled pipeline.

        Args:
            pipeline: TFX's intermediate representation.
            run_options: Not supported; must be None.

        Raises:
            ComponentError: If a component fails.
        """
        if run_options is not None:
            raise ValueError("`run_options` must be None: the cache does what a partial run would.")
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline,
            {constants.PIPELINE_RUN_ID_PARAMETER_NAME: datetime.datetime.now().isoformat()},
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        kind = deployment.metadata_connection_config.WhichOneof("connection_config")
        connection = getattr(deployment.metadata_connection_config, kind)
        for node in (each.pipeline_node for each in pipeline.nodes):
            name = node.node_info.id
            self._on_start(name)
            start = time.monotonic()
            try:
                execution_id = self._launch(pipeline, node, deployment, connection)
            except Exception as error:
                raise ComponentError(name, _sentence(error)) from error
            seconds = time.monotonic() - start
            is_cached = False
            if execution_id is not None:
                is_cached = self._check(name, connection, execution_id)
            self._on_finish(ComponentRun(name, seconds, is_cached, execution_id))

    def _launch(self, pipeline: Any, node: Any, deployment: Any, connection: Any) -> int | None:
        name = node.node_info.id
        info = launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=metadata.Metadata(connection),
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, name),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        ).launch()
        is_resolver = node.node_info.type.name.endswith("Resolver")
        return None if info is None or is_resolver else info.execution_id

    def _check(self, name: str, connection: Any, execution_id: int) -> bool:
        with metadata.Metadata(connection) as handle:
            (execution,) = handle.store.get_executions_by_id([execution_id])
        if execution.last_known_state not in (_State.COMPLETE, _State.CACHED):
            raise ComponentError(name, "its inputs are not there")
        return execution.last_known_state == _State.CACHED


def _sentence(error: BaseException) -> str:
    """Returns an error as one line: all of this project's own, the first line of others'."""
    lines = [line.strip() for line in str(error).strip().split("\n")]
    if type(error).__module__.split(".")[0] in ("recsys_tf", "pipeline") or "`" in lines[0]:
        return " ".join(lines)
    # Beam appends where in its graph it happened.
    return f"{type(error).__name__}: {lines[0].split(' [while running')[0]}"
