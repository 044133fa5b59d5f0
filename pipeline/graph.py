"""The pipeline's graph: which component reads what."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components import (
    Evaluator,
    ExampleValidator,
    Pusher,
    StatisticsGen,
    Trainer,
    Transform,
)
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base import executor_spec
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, pusher_pb2, trainer_pb2, transform_pb2
from tfx.types import standard_artifacts

from pipeline.components import (
    AtomicPusherExecutor,
    BlessedModelInService,
    ValidationGate,
    VerifiedCopyExecutor,
)
from pipeline.data import WrittenData
from pipeline.data_schema import schema_text
from pipeline.evaluation_config import evaluation_config
from pipeline.fingerprints import code_fingerprint
from pipeline.measures import columns, measures
from pipeline.publishing import withdrawn
from recsys_tf.config import RunConfig
from recsys_tf.schema import Schema

BEAM_ARGS = (
    # By the name DirectRunner, Beam first tries a runner that it downloads.
    "--runner=FnApiRunner",
    # A second process would import TFX again, which takes longer than what it saves here.
    "--direct_running_mode=in_memory",
    "--direct_num_workers=1",
    # Any image keeps TFX from packing itself for workers elsewhere, anew for each component. The
    # worker runs in this process and uses none.
    "--sdk_container_image=none",
)
"""How Beam runs where `pipeline.beam_args` says nothing."""

_TOKEN = ".token"


def build_pipeline(config: RunConfig, schema: Schema, data: WrittenData, root: Path) -> Pipeline:
    """Connects the components.

    Args:
        config: The run.
        schema: Features and tasks.
        data: The written splits.
        root: Folder of the pipeline: artifacts, metadata and served versions lie below.

    Returns:
        The pipeline, with caching on.
    """
    splits = list(data.rows)
    examples = _example_gen(data, splits)
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema_gen = ImportSchemaGen(schema_file=_schema_file(schema, root))
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )
    gate = ValidationGate(
        anomalies=validator.outputs["anomalies"], statistics=statistics.outputs["statistics"]
    )
    transform = _transform(examples, schema_gen, schema, data)
    transform.add_upstream_node(gate)
    trainer = _trainer(examples, transform, config, schema, data, root)
    resolver = Resolver(
        strategy_class=BlessedModelInService,
        model=types.Channel(type=standard_artifacts.Model),
        model_blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        candidate=trainer.outputs["model"],
        config={
            "columns": list(columns(measures(schema, config))),
            "folder": str(serving_folder(root, config)),
            "is_wanted": config.pipeline.compare_with_blessed,
        },
    ).with_id("LatestBlessedModel")
    evaluator = Evaluator(
        examples=examples.outputs["examples"],
        example_splits=["test"],
        model=trainer.outputs["model"],
        baseline_model=resolver.outputs["model"],
        eval_config=evaluation_config(schema, config),
    )
    pusher = _pusher(trainer, evaluator, serving_folder(root, config))
    return Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=str(root / "artifacts"),
        components=[
            examples,
            statistics,
            schema_gen,
            validator,
            gate,
            transform,
            trainer,
            resolver,
            evaluator,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(
            str(root / "metadata.sqlite")
        ),
        beam_pipeline_args=beam_args(config),
    )


def serving_folder(root: Path, config: RunConfig) -> Path:
    """Returns the folder of the model's versions, which a server is given."""
    return root / "serving" / config.pipeline.name


def beam_args(config: RunConfig) -> list[str]:
    """Returns Beam's options: those of the run, or `BEAM_ARGS` for what it leaves open."""
    given = list(config.pipeline.beam_args)
    if any(each.split("=")[0] == "--runner" for each in given):
        return given
    names = {each.split("=")[0] for each in given}
    return [each for each in BEAM_ARGS if each.split("=")[0] not in names] + given


def _example_gen(data: WrittenData, splits: list[str]) -> FileBasedExampleGen:
    return FileBasedExampleGen(
        input_base=str(data.folder),
        input_config=example_gen_pb2.Input(
            splits=[
                example_gen_pb2.Input.Split(name=name, pattern=f"{name}/*.gz") for name in splits
            ]
        ),
        custom_executor_spec=executor_spec.ExecutorClassSpec(VerifiedCopyExecutor),
    ).with_id("ExampleGen")


def _transform(examples: Any, schema_gen: Any, schema: Schema, data: WrittenData) -> Transform:
    return Transform(
        examples=examples.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        preprocessing_fn="pipeline.transform_module.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"]),
        # The Trainer preprocesses the rows itself, by the same definition, in a tenth of the time
        # that writing and reading them once more would take.
        materialize=False,
        # The transform graph is checked against the served preprocessing instead.
        disable_statistics=True,
        custom_config={
            "schema": schema.to_dict(),
            "word_pieces": str(data.folder / "word_pieces"),
            "code": code_fingerprint("pipeline.transform_module"),
        },
    )


def _trainer(
    examples: Any,
    transform: Transform,
    config: RunConfig,
    schema: Schema,
    data: WrittenData,
    root: Path,
) -> Trainer:
    # What does not change the model must not train it again.
    settings = config.model_copy(update={"pipeline": type(config.pipeline)()})
    has_validation = "validation" in data.rows
    return Trainer(
        run_fn="pipeline.trainer_module.run_fn",
        examples=examples.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["validation" if has_validation else "train"]),
        custom_config={
            "config": settings.to_dict(),
            "schema": schema.to_dict(),
            "data": str(data.folder),
            "has_validation": has_validation,
            "checkpoints": str(root / "checkpoints"),
            "code": code_fingerprint("pipeline.trainer_module"),
        },
    )


def _pusher(trainer: Trainer, evaluator: Evaluator, folder: Path) -> Pusher:
    return Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(folder))
        ),
        custom_config={
            "keep_versions": 5,
            "folder": _folder_token(folder),
            # What it refuses: a model that was withdrawn since, or admitted again.
            "withdrawn": list(withdrawn(folder)),
        },
        custom_executor_spec=executor_spec.ExecutorClassSpec(AtomicPusherExecutor),
    )


def push_anew(folder: Path) -> None:
    """Has the next run push its model whatever the cache says of an earlier push."""
    (folder / _TOKEN).unlink(missing_ok=True)


def _folder_token(folder: Path) -> str:
    """Returns a name that the folder keeps as long as it lives.

    Without it, the cache would hold a model for pushed whose folder somebody has deleted.
    """
    path = folder / _TOKEN
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _schema_file(schema: Schema, root: Path) -> str:
    text = schema_text(schema)
    path = root / "schemas" / hashlib.sha256(text.encode()).hexdigest()[:20] / "schema.pbtxt"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        writing = path.with_suffix(".writing")
        writing.write_text(text, encoding="utf-8")
        os.replace(writing, path)
    return str(path)
