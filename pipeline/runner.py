"""Runs the pipeline: from prepared data to a published version, told in plain words."""

from __future__ import annotations

import datetime
from pathlib import Path

from pipeline.dag_runner import ComponentError, ComponentRun, TellingDagRunner
from pipeline.data import WrittenData, remove_leftovers, write_data
from pipeline.graph import build_pipeline, push_anew, serving_folder
from pipeline.progress import Progress, listening, tell
from pipeline.publishing import PublishError, versions
from pipeline.quiet import quietly
from pipeline.results import PipelineResult, read_result
from pipeline.root_lock import PipelineError, only_run
from recsys_tf.config import RunConfig
from recsys_tf.export.config_faults import check_export_config, check_export_labels
from recsys_tf.preparation import PreparedData, prepare

_DOES = {
    "ExampleGen": "checks and takes in the examples of each split",
    "StatisticsGen": "counts what the columns hold",
    "ImportSchemaGen": "takes in the curated schema",
    "ExampleValidator": "compares the columns with the schema",
    "ValidationGate": "stops here if the data are not sound",
    "Transform": "learns vocabularies and scales from the training rows",
    "Trainer": "trains and exports the model",
    "LatestBlessedModel": "finds the model to compare with",
    "Evaluator": "measures the model on the held-out rows, by slice",
    "Pusher": "publishes the model if it passed",
}


def run_pipeline(
    config: RunConfig,
    root: str | Path,
    data: PreparedData | None = None,
    progress: Progress | None = print,
) -> PipelineResult:
    """Runs the TFX pipeline; what did not change since the last run comes from the cache.

    Args:
        config: The run.
        root: Folder of the pipeline. Below it lie the written examples (`data`), TFX's artifacts
            and metadata, the logs, and the versions for a server (`serving/<pipeline name>`). One
            run at a time works in it.
        data: Prepared data; None prepares those that `config` names.
        progress: Takes each line of progress; None for silence.

    Returns:
        Whether the model was blessed and pushed, its metrics by slice, and what each component
        took. A model that was not blessed, or that was withdrawn, is a result, not an error.

    Raises:
        SpecError: If the run has a `sequence` or a `table`, or its `evaluation` names further
            metrics, slices or intervals, which the pipeline does not tell.
        PipelineError: If a component fails: data that are not sound, a training that diverges, a
            full disk. Served versions stay as they were. Or if another run works in `root`.
        ValueError: If the configuration does not fit the data, too many rows of them were rejected
            (`pipeline.max_rejected_share`), or their labels cannot be trained on.
    """
    config.check_pipeline()
    root = Path(root).resolve()
    log = root / "logs" / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.log"
    with only_run(root), listening(progress), quietly(log):
        remove_leftovers(root / "data")
        data = data if data is not None else prepare(config)
        data.interactions.rejections.check_share(config.pipeline.max_rejected_share)
        check_export_config(config.export, data.schema, config.evaluation)
        check_export_labels(config.export, data)
        try:
            result = _run(config, root, data, log)
        except ComponentError as error:
            raise PipelineError(f"{error} (details: {log})") from error
        except (OSError, PublishError) as error:
            raise PipelineError(f"{error} (details: {log})") from error
    return result


def _run(config: RunConfig, root: Path, data: PreparedData, log: Path) -> PipelineResult:
    written = write_data(data, root / "data")
    result = _run_once(config, root, data, written, log)
    fault = _why_not_served(result)
    if fault is not None:
        # The cache knows that the model was pushed, but not what became of it.
        tell(f"Serving: {fault}; once more")
        push_anew(serving_folder(root, config))
        result = _run_once(config, root, data, written, log)
    if result.is_published:
        tell(f"Published: version {result.version} in {result.path}")
    else:
        tell(f"Not published: {'; '.join(result.reasons)}")
    return result


def _why_not_served(result: PipelineResult) -> str | None:
    """Returns why a version that was pushed once is not the one that serves; None if it is."""
    if result.path is None:
        return None
    folder = result.path.parent
    if not result.path.is_dir():
        return f"version {result.version} is gone from {folder}"
    newest = max(versions(folder), default=result.version)
    if newest != result.version:
        return f"version {newest} has followed version {result.version} in {folder}"
    return None


def _run_once(
    config: RunConfig, root: Path, data: PreparedData, written: WrittenData, log: Path
) -> PipelineResult:
    pipeline = build_pipeline(config, data.schema, written, root)
    finished: list[ComponentRun] = []

    def on_finish(component: ComponentRun) -> None:
        finished.append(component)
        how = "from the cache" if component.is_cached else f"done in {component.seconds:.1f} s"
        tell(f"{component.name}: {how}")

    runner = TellingDagRunner(lambda name: tell(f"{name}: {_DOES.get(name, 'runs')}"), on_finish)
    runner.run(pipeline)
    return read_result(pipeline.metadata_connection_config, tuple(finished), log)
